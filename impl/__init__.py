"""Implementations: our own fast Adamax, and one small adapter for each framework."""

from .adamax.optimizer import Adamax

__all__ = ["Adamax"]
