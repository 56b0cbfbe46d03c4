"""Tests of the causes and of the diagnosis."""
