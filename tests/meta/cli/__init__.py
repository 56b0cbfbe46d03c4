"""Tests of the command line, in a process and a folder of its own."""
