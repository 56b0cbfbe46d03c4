"""The known divergences: the shipped ledger, its evidence scripts, and its reader."""
