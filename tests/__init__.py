"""The tests: noxcli's own command lines against real servers on loopback."""
