"""Drawn lives, to look for one on which two causes differ."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...reference.life import Life, Load, Number, Options, Refusal, Refuse, Save
from ..formats import Format
from .lives import PLAIN, Draft

_SHAPES = ((), (3,), (5,), (5,), (2, 3), (4, 4))
_REFUSALS = (Refusal.TOO_FEW_GRADIENTS, Refusal.TOO_MANY_GRADIENTS, Refusal.WRONG_SHAPE)


def drawn_life(seed: int, format_: Format) -> Life:
    """A life of one or two optimizers; a seed draws the same life everywhere."""
    rng = np.random.default_rng(seed)
    draft = Draft(f"drawn life {seed}", format_.dtype)
    for number in range(int(rng.integers(1, 3))):
        groups = [(_options(rng), _shapes(rng)) for _ in range(int(rng.integers(1, 4)))]
        draft.construct(number=number, groups=groups, scale=2.0 ** int(rng.integers(-3, 4)))
        for _ in range(int(rng.integers(2, 8))):
            _act(draft, rng, number, len(groups))
    return draft.life()


def _options(rng: np.random.Generator) -> Options:
    betas = tuple(float(1 - 2.0 ** -int(rng.integers(1, 8))) for _ in range(2))
    return replace(
        PLAIN,
        lr=Number(2.0 ** -int(rng.integers(-2, 7))),
        betas=(betas[0], betas[1]),
        eps=2.0 ** -int(rng.integers(0, 20)),
        weight_decay=float(rng.choice([0.0, 0.0, 0.125, 0.5])),
        maximize=bool(rng.integers(2)),
    )


def _shapes(rng: np.random.Generator) -> tuple[tuple[int, ...], ...]:
    return tuple(_SHAPES[int(k)] for k in rng.integers(len(_SHAPES), size=int(rng.integers(1, 4))))


def _act(draft: Draft, rng: np.random.Generator, number: int, groups: int) -> None:
    match int(rng.integers(10)):
        case 0:
            draft.then(Refuse(number, _REFUSALS[int(rng.integers(3))]))
        case 1:
            draft.lr(2.0 ** -int(rng.integers(-2, 9)), int(rng.integers(groups)), number=number)
        case 2:
            draft.then(Save(number, number, copied=True)).step(int(rng.integers(1, 3)), number)
            draft.then(Load(number, number, fresh=bool(rng.integers(2))))
        case 3:
            draft.run(int(rng.integers(2, 40)), number)
    draft.step(int(rng.integers(1, 4)), number, scale=2.0 ** int(rng.integers(-8, 9)))
