"""Where to connect and with which key, and what files and variables say about everything else."""
