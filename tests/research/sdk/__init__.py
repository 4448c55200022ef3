"""The official SDK as the judge of the sandbox."""
