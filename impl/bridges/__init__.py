"""Optimizers without an adapter, as factories over NumPy arrays: `bridge:NAME`."""

from collections.abc import Mapping
from typing import Final

REQUIREMENTS: Final[Mapping[str, tuple[str, ...]]] = {
    "braintools": ("braintools",),
    "higher": ("higher", "torch"),
    "jax": ("jax",),
    "keras_core": ("keras-core", "tensorflow"),
    "npnet": ("npnet",),
    "pyensmallen": ("pyensmallen", "pandas"),
    "river": ("river",),
    "tf_keras": ("tf-keras", "tensorflow"),
    "tf_keras_legacy": ("tf-keras", "tensorflow"),
    "torchopt": ("torchopt", "torch"),
    "zij": ("zij", "torch"),
    "ztlearn": ("ztlearn", "six"),
}
"""What pip installs for each bridge."""
