"""The kinds of step. Ours and others' come the same way: entry points of the group `penstock.nodes`, each a class."""
