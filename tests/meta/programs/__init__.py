"""Tests of the programs in other languages, which show that the pipe is enough."""
