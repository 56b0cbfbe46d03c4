"""The oracles: exact values, correct rounding, error bounds, comparison, verdicts."""
