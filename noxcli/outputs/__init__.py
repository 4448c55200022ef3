"""The output of a run: completed, then printed or saved."""
