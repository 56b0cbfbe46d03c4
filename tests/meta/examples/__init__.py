"""Examples that run: each is a program of its own, and a test checks its claims."""
