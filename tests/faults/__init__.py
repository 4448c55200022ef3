"""Faults that a test puts between noxcli and its server."""
