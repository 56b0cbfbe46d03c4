"""The adapters: one small file for each framework."""
