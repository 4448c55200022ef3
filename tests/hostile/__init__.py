"""Hostile remote text through every field and every renderer: nothing of it takes effect, and nothing of it hides."""
