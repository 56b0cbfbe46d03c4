"""What is made of verdicts."""
