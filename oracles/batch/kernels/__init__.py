"""The compiled loops and their parts, except for the bounds."""
