"""Examples that run: each is a program of its own, and a test holds it to what it says."""
