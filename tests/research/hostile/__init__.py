"""Hostile remote text through every field and every renderer: none of it takes effect, and none of it is hidden."""
