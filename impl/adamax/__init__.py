"""The fast Adamax over NumPy arrays."""
