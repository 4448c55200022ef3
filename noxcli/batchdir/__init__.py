"""The batch directory: what is stored about a batch, written and read."""
