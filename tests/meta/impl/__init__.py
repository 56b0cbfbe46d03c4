"""Tests of our own Adamax."""
