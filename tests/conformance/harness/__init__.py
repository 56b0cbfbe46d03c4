"""What a check runs on: its context, target, catalogue and budget."""
