"""The record of verdicts, its renderings, the ledger and the command line."""
