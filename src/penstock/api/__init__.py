"""The HTTP API: `create_app` makes the application, `serve` serves it in the running loop, `serving` while a block runs."""

from .application import PREFIX, create_app
from .server import serve, serving

__all__ = ["PREFIX", "create_app", "serve", "serving"]
