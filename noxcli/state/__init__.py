"""What is kept on this machine between commands."""
