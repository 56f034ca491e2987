"""Penstock's own MCP server: reads a folder of source code. Start it with `python -m penstock.tools.code_server`."""
