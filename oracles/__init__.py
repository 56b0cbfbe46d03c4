"""Who decides: exact values, correct rounding, error bounds, and the comparison that makes a verdict of them."""
