"""Two versions over one table: what chance explains, and what a gate decides."""
