"""MCP: how tools are reached. `registry.Servers` holds the servers and a warm session with each; `config` says how one
is reached; `code_server` is our own. Nothing is imported here, since the server's start would pay for it."""
