"""A subject in many versions: since when it diverges, and when its bits changed."""
