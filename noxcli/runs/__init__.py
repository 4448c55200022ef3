"""Runs: started once, followed over breaking connections, judged by their record."""
