"""noxcli: run Noxus AI workflows from the shell. The version lives here and nothing else."""

__version__ = "0.1.0"
