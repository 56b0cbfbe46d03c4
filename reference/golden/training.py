"""Golden cases with the gradients of a real training run.

A network of 64, 32 and 10 units (ReLU, softmax, cross-entropy) learns the handwritten digits of scikit-learn
(`sklearn.datasets.load_digits`; E. Alpaydin and C. Kaynak, "Optical recognition of handwritten digits", UCI machine
learning repository, 1998) in batches of 64 with Adamax at lr=0.02. The gradients of three elements of each of its four
parameters over the first twelve steps, in binary32, are kept here. So no training has to be repeated.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ..hyperparameters import Hyperparameters
from .model import GoldenCase, Numbers, single

_RECORDED: Final[dict[str, tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]]] = {
    "hidden-weights": (
        ("-0x1.d581e80000000p-5", "0x1.0931620000000p-5", "0x1.11de600000000p-4"),
        (
            ("0x1.394d6c0000000p-10", "0x1.5f7d200000000p-11", "0x0.0p+0"),
            ("0x1.7d7e260000000p-7", "-0x1.c929320000000p-7", "0x0.0p+0"),
            ("-0x1.94e81e0000000p-10", "-0x1.0ecda80000000p-6", "0x0.0p+0"),
            ("-0x1.48907a0000000p-9", "-0x1.c977200000000p-9", "0x0.0p+0"),
            ("0x1.1efa760000000p-9", "-0x1.606d1a0000000p-6", "0x0.0p+0"),
            ("0x1.dbeb5a0000000p-8", "-0x1.b09b000000000p-7", "0x0.0p+0"),
            ("0x1.9edb3a0000000p-7", "-0x1.b6c9600000000p-7", "0x0.0p+0"),
            ("0x1.685fc00000000p-8", "-0x1.c7ed500000000p-7", "0x0.0p+0"),
            ("0x1.774a1e0000000p-7", "-0x1.6493700000000p-11", "0x0.0p+0"),
            ("-0x1.760d0a0000000p-7", "0x1.6e02500000000p-11", "0x0.0p+0"),
            ("-0x1.47dff80000000p-7", "0x1.0c5c1a0000000p-6", "0x0.0p+0"),
            ("0x1.7bd46c0000000p-10", "-0x1.7ab05c0000000p-7", "0x0.0p+0"),
        ),
    ),
    "hidden-bias": (
        ("0x0.0p+0", "0x0.0p+0", "0x0.0p+0"),
        (
            ("-0x1.7747920000000p-9", "0x1.23481e0000000p-7", "0x0.0p+0"),
            ("0x1.15cda60000000p-7", "-0x1.57c9be0000000p-6", "0x0.0p+0"),
            ("-0x1.bb81d60000000p-8", "-0x1.4ee1080000000p-6", "0x0.0p+0"),
            ("-0x1.3f036a0000000p-6", "-0x1.0708980000000p-7", "0x0.0p+0"),
            ("-0x1.2292340000000p-7", "-0x1.09c0800000000p-5", "0x0.0p+0"),
            ("-0x1.6f58220000000p-10", "-0x1.9c659e0000000p-6", "0x0.0p+0"),
            ("0x1.dd348a0000000p-6", "-0x1.b4ab580000000p-11", "0x0.0p+0"),
            ("0x1.5ae38e0000000p-6", "0x1.be93fc0000000p-8", "0x0.0p+0"),
            ("0x1.53fd7c0000000p-7", "0x1.9aea3e0000000p-6", "0x0.0p+0"),
            ("-0x1.2dd6a60000000p-7", "0x1.c603000000000p-7", "0x0.0p+0"),
            ("-0x1.2eea5c0000000p-6", "0x1.1b4c760000000p-5", "0x0.0p+0"),
            ("-0x1.18f3aa0000000p-7", "-0x1.3adbae0000000p-7", "0x0.0p+0"),
        ),
    ),
    "output-weights": (
        ("0x1.140a3a0000000p-7", "-0x1.cc01fc0000000p-3", "0x1.b67f3a0000000p-7"),
        (
            ("-0x1.a0b68c0000000p-11", "0x1.340ba00000000p-11", "0x0.0p+0"),
            ("-0x1.ea5dea0000000p-7", "0x1.d20a1c0000000p-9", "0x0.0p+0"),
            ("0x1.0a04580000000p-9", "-0x1.f503260000000p-9", "0x0.0p+0"),
            ("0x1.30573c0000000p-11", "-0x1.a222f20000000p-10", "0x0.0p+0"),
            ("-0x1.a98afa0000000p-13", "0x1.8d844a0000000p-6", "0x0.0p+0"),
            ("0x1.0f0ce20000000p-7", "0x1.94f80a0000000p-6", "0x0.0p+0"),
            ("0x1.18cdb80000000p-7", "0x1.42cf740000000p-6", "0x0.0p+0"),
            ("0x1.e98bfc0000000p-6", "0x1.b5d38e0000000p-6", "0x0.0p+0"),
            ("-0x1.d7af020000000p-6", "0x1.90e1780000000p-6", "0x0.0p+0"),
            ("0x1.49d7a60000000p-10", "0x1.6c529a0000000p-5", "0x0.0p+0"),
            ("0x1.1f3cf00000000p-6", "0x1.a002060000000p-6", "0x0.0p+0"),
            ("0x1.b7c0200000000p-7", "0x1.d36e880000000p-5", "0x0.0p+0"),
        ),
    ),
    "output-bias": (
        ("0x0.0p+0", "0x0.0p+0", "0x0.0p+0"),
        (
            ("0x1.2a30a40000000p-6", "-0x1.d3837c0000000p-7", "-0x1.cc72300000000p-5"),
            ("-0x1.bb81b00000000p-5", "0x1.37f0a20000000p-5", "0x1.3bd3e60000000p-5"),
            ("-0x1.6eddbe0000000p-9", "-0x1.5686f20000000p-5", "-0x1.c0566c0000000p-5"),
            ("0x1.03ecb40000000p-9", "-0x1.b3a1e60000000p-5", "-0x1.2c86540000000p-5"),
            ("0x1.c4b9280000000p-8", "0x1.dfe4bc0000000p-5", "-0x1.22446e0000000p-6"),
            ("0x1.57d0280000000p-7", "0x1.12be880000000p-4", "0x1.4530140000000p-6"),
            ("0x1.81c67e0000000p-9", "0x1.75e0000000000p-6", "0x1.df126e0000000p-5"),
            ("0x1.0bef920000000p-4", "0x1.6c77760000000p-7", "0x1.f214fa0000000p-8"),
            ("-0x1.25ceea0000000p-5", "-0x1.29284a0000000p-4", "0x1.1257cc0000000p-5"),
            ("0x1.43757e0000000p-7", "0x1.5f26e20000000p-5", "-0x1.1a74e20000000p-7"),
            ("0x1.9a0de40000000p-6", "0x1.1665bc0000000p-5", "-0x1.cad8ec0000000p-6"),
            ("0x1.358a240000000p-5", "0x1.5e02e20000000p-5", "-0x1.3e2ec00000000p-5"),
        ),
    ),
}
"""For each parameter of the network: theta at the start, and the gradient of each step."""


def _numbers(texts: tuple[str, ...]) -> Numbers:
    return tuple(float.fromhex(text) for text in texts)


def training() -> Iterator[GoldenCase]:
    """Two cases for each parameter of the network: as it was trained, and with decay."""
    for name, (theta, gradients) in _RECORDED.items():
        for label, setting in (
            ("", Hyperparameters(lr=0.02)),
            ("-decay", Hyperparameters(lr=0.02, eps=1e-4, weight_decay=0.01)),
        ):
            yield GoldenCase(
                f"training/{name}{label}",
                f"{name.replace('-', ' ')} of a network that learns handwritten digits",
                ("training", "formula"),
                single(setting, _numbers(theta), [_numbers(g) for g in gradients]),
                len(gradients),
                shown=(1, 2, 6, 12),
            )
