"""The matrix of what every framework computes."""
