"""What noxcli takes for true of an API that its authors did not write: one table, and nothing that acts on it."""
