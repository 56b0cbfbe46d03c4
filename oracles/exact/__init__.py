"""Exact values: the trajectory in mpmath, intervals, decimals."""
