"""The record of a run: its header, verdicts and footer, and how records merge."""
