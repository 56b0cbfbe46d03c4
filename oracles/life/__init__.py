"""The judge of a life: what must hold after each action, and what does not."""
