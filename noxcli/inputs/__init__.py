"""Inputs: what a workflow takes, and what the user gave."""
