"""Models of language, behind one port: see `port.py`."""
