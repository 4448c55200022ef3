"""HTML reports: one page that needs no network, for a run or for a batch."""
