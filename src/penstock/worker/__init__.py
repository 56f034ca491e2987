"""The reference remote worker: runs tools of its own MCP servers for a Penstock elsewhere.

It serves one server, named by whoever started it, and acts on nothing but envelopes that server signed for it. `origin` is the
way to that server and to nowhere else, `intake` what is accepted, `offer` what it can do, `bench` one order from envelope to
answer; `pull` fetches orders, for machines that accept no connection, and `push` is given them.
"""
