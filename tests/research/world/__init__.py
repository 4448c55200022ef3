"""A random user of noxcli against a random server, and what must hold whatever happens."""
