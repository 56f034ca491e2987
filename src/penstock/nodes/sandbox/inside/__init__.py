"""What runs inside the sandbox: the standard library alone, because nothing else is visible there."""
