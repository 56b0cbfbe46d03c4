"""Readers of an optimizer's parameters and state, one for each framework."""
