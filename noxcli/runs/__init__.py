"""Runs: started once, followed even if the connection drops, judged by their record."""
