"""Proven error bounds of one step, and of learning rates; BOUNDS.md derives them."""
