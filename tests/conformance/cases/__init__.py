"""The cases that the checks run: drawn, pinned and scheduled."""
