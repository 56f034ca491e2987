"""What both transports hold a server to, and how they tell the session that it broke the limit.

A transport hands a session JSON-RPC messages and nothing else, so an answer that is too large, or that will never come,
is replaced by a JSON-RPC error with a code of our own, and only the request it belongs to fails.
"""

from __future__ import annotations

TOO_LARGE = -32_960  # outside the range JSON-RPC and MCP reserve
UNREACHABLE = -32_961
SESSION_GONE = -32_962
UNSENT = -32_963  # nothing of the request reached the server
