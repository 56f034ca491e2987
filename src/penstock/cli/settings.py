"""The settings of this process, with what a command was given over what the environment says."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from ..app import Settings
from .failures import UsageError
from .link import Place


def read_settings(place: Place, **given: Any) -> Settings:
    """Those not None count. Makes the data folder. Raises UsageError, codes `settings.invalid` and `data.unwritable`."""
    try:
        return Settings(data=place.prepare(), **{name: value for name, value in given.items() if value is not None})
    except ValidationError as error:
        wrong = [
            f"PENSTOCK_{str(one['loc'][0]).upper()}, but {one['msg'][0].lower()}{one['msg'][1:]}"
            for one in error.errors()
        ]
        raise UsageError(f"the environment says {'; '.join(wrong)}", code="settings.invalid") from None
