"""The compiled loops, and all that they are made of besides the bounds."""
