"""Tests of the suite itself; they are not shipped."""
