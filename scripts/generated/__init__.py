"""Everything that `scripts/regenerate.py` writes: a module for each kind."""
