"""The HTTP API: `create_app` makes the application, `serve` serves it in the running loop."""

from .application import PREFIX, create_app
from .server import serve

__all__ = ["PREFIX", "create_app", "serve"]
