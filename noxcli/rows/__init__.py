"""The table of a batch: its rows, their columns, and which of them this call runs."""
