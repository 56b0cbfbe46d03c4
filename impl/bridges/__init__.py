"""Optimizers without an adapter, as factories over NumPy arrays: `bridge:NAME`."""
