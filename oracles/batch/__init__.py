"""The vectorised oracle: many elements at once, in NumPy and in compiled loops."""
