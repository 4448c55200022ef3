"""What noxcli assumes about an API that its authors did not write: one table, without any logic."""
