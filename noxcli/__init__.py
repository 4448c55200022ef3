"""noxcli: run Noxus AI workflows from the shell. The version lives here and nothing else."""

__version__ = "0.2.0"
