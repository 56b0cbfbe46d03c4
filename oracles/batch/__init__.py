"""The vectorised oracle, which judges many elements at once in compiled loops."""
