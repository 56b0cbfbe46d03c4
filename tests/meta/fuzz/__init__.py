"""Damaged and hostile inputs for every parser of what comes from elsewhere."""
