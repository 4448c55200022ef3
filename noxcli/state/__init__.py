"""Files that noxcli keeps on this machine between commands."""
