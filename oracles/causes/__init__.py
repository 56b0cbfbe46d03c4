"""The judge of causes: the deviation that explains all that was observed."""
