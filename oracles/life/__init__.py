"""Lives judged: what must hold after each action of a life, and which number does not."""
