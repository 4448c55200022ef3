"""The checks of a row, and the summary of all rows."""
