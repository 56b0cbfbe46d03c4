"""Implementations: our own fast Adamax, and one small adapter for each framework."""
