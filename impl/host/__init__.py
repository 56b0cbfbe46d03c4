"""The child process, which constructs the subject and answers requests."""
