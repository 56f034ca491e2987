"""How long a test waits for something that must happen. When it is over something hangs; it never says that something is slow."""

PATIENCE = 60.0  # seconds
