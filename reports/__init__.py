"""Verdicts and what is made of them: the record, its renderings, the ledger and the command line."""
