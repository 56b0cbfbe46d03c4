"""Tests of what is made of verdicts: records, ledger, reports, scripts, matrix."""
