"""Runs: started once, followed even if connections drop, each with the verdict of its record."""
