"""What a workflow takes, and what a user gave for it."""
