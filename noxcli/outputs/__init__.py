"""What a run has put out, made whole and handed over or saved."""
