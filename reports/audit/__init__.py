"""Auditing: a recorded training run against the formula, every element of every step."""
