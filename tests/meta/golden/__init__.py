"""Tests of the golden trajectories: their numbers, their files, their command."""
