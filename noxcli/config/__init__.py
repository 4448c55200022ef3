"""Settings: the server, its key, and the defaults from files and variables."""
