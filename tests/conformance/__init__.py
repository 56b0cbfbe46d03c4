"""The suite that runs against any subject."""
