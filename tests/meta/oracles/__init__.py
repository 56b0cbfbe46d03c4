"""The proof of the oracle: rounding, exactness, the bounds from both sides, comparison, identification."""
