"""Runs: started once, followed even if the connection drops, each with the verdict of its record."""
