"""Two versions over one table: the rules, the answers, and one call of a gate."""
