"""The proof of the oracles: rounding, exactness, bounds, comparison, identity."""
