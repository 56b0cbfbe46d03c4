"""The cases of the checks: drawn, pinned and scheduled."""
