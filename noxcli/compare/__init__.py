"""Two sides of rows in pairs: what differs, and what chance explains."""
