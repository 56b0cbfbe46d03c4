"""The child process: it constructs the subject and answers requests."""
