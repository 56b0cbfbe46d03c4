"""Thousands of wrong optimizers, drawn by kind, context and effect."""
