"""Tests of recording and auditing a training run."""
