"""An MCP server that runs semgrep, which lives in an environment of its own: it is large, and pins what others need newer."""
