"""Proven error bounds of one step, derived in BOUNDS.md."""
