"""Implementations: our own fast Adamax, and one small adapter for each framework."""

from .adamax import Adamax

__all__ = ["Adamax"]
