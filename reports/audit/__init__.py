"""Audit a recorded training run: every element of every step."""
