"""Causes: the optimizer as a state machine, and the known deviations from it."""
