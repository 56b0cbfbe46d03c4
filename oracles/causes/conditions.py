"""The conditions under which something unexplained goes wrong.

The lives change one thing at a time, so a condition is what all wrong elements have in common and right ones lack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from .atoms import Atom, find_atoms
from .evaluate import QUANTITIES, Batch, Mask, Unexplained
from .rows import Array

ENOUGH: Final = 0.12
"""The share of right elements under a condition up to which it needs no second part."""
_LIKELY: Final = 60
"""The conditions that are tried in twos."""
_MANY: Final = 8
"""So many wrong elements have nothing rare in common by chance."""
_LIFT: Final = 20
"""An error is so many times more frequent under a condition that right elements meet too."""


@dataclass(frozen=True)
class Conditions:
    """The conditions under which something goes wrong.

    Attributes:
        words: the condition, after "happens "; "always", "only ...".
        quantity: the first that is off: m, u or theta.
        wrong: how many elements are.
        right_too: the share of right elements among those that meet the condition.
    """

    words: str
    quantity: str
    wrong: int
    right_too: float

    def __str__(self) -> str:
        return f"{self.quantity} is off {self.words}"


def find_conditions(batch: Batch, found: Unexplained) -> Conditions | None:
    """Find what the wrong elements of the first wrong quantity have in common.

    None where no element is wrong.
    """
    quantity = first_quantity(batch, found)
    if quantity is None or not found.wrong.any():
        return None
    wrong = found.wrong[QUANTITIES.index(quantity)]
    # A row counts as much as another, however long its array.
    weight = 1.0 / batch.sizes[batch.owner]
    spoilt = found.wrong.any(axis=0) & ~wrong
    weight[spoilt] = 0.0
    total = float(weight[wrong].sum())
    right = float(weight[~wrong].sum())
    if right <= 0.12 * (right + total):
        return Conditions("always", quantity, int(wrong.sum()), right / (right + total))
    atoms = [atom for atom in find_atoms(batch, wrong) if atom.mask[wrong].all() and not atom.mask.all()]
    scored = sorted(((_share(a.mask, wrong, weight), a.cost, a) for a in atoms), key=lambda x: x[:2])
    if not scored:
        return Conditions("in no way that could be found", quantity, int(wrong.sum()), 1.0)
    best = _simplest([(share, cost, atom.words) for share, cost, atom in scored])
    if best[0] > ENOUGH:
        best = _best_pair(scored, wrong, weight, best)
    if best[0] > 0.75 * right / (right + total):
        rare = _rare_pair(scored, wrong, weight, total / (right + total))
        if rare is None:
            return Conditions("in no way that these lives tell", quantity, int(wrong.sum()), best[0])
        best = rare
    return Conditions(f"only {best[2]}", quantity, int(wrong.sum()), best[0])


def _best_pair(
    scored: Sequence[tuple[float, float, Atom]], wrong: Mask, weight: Array, best: tuple[float, float, str]
) -> tuple[float, float, str]:
    """Two conditions together, where that says much more than the best one."""
    pairs = []
    likely = sorted(scored, key=lambda x: x[0] + 0.02 * x[1])[:_LIKELY]
    for i, (share, cost, one) in enumerate(likely):
        for other_share, other_cost, two in likely[i + 1 :]:
            joint = _share(one.mask & two.mask, wrong, weight)
            if joint < 0.5 * min(share, other_share):
                first, second = (one, two) if cost <= other_cost else (two, one)
                pairs.append((joint, cost + other_cost, f"{first.words} and {second.words}"))
    if not pairs:
        return best
    pair = _simplest(sorted(pairs))
    return pair if pair[0] < 0.35 * best[0] else best


def _rare_pair(
    scored: Sequence[tuple[float, float, Atom]], wrong: Mask, weight: Array, share: float
) -> tuple[float, float, str] | None:
    """Two conditions that make an error far more frequent.

    Whether it shows depends on the numbers, too. A few errors may have anything in common.

    Args:
        scored: conditions that all wrong elements meet.
        wrong: the wrong elements.
        weight: of each element.
        share: the weight of the wrong ones among all.
    """
    pairs = [
        (_share(one.mask & two.mask, wrong, weight), cost + other, f"{one.words} and {two.words}")
        for i, (_, cost, one) in enumerate(scored[:_LIKELY])
        for _, other, two in scored[i + 1 : _LIKELY]
    ]
    best = _simplest(sorted(pairs)) if pairs and wrong.sum() >= _MANY else None
    return best if best is not None and 1 - best[0] > _LIFT * share else None


def _simplest(scored: list[tuple[float, float, str]]) -> tuple[float, float, str]:
    """Of those that fit almost as well as the best, the least far-fetched."""
    limit = scored[0][0] * 1.25 + 0.004
    return min((each for each in scored if each[0] <= limit), key=lambda each: (each[1], each[0]))


def first_quantity(batch: Batch, found: Unexplained) -> str | None:
    """The quantity that is off first: in most rows the earliest of m, u and theta."""
    if not found.wrong.any():
        return found.checks[0].moment if found.checks else None
    votes: dict[str, float] = {}
    some = found.wrong.any(axis=0)
    for name, mask in zip(QUANTITIES, found.wrong, strict=True):
        mine = mask & some
        votes[name] = float((1.0 / batch.sizes[batch.owner])[mine].sum())
        some = some & ~mask
    return max(votes, key=lambda name: votes[name])


def _share(mask: Mask, wrong: Mask, weight: Array) -> float:
    """Of the elements that meet a condition, the share that is right."""
    total = float(weight[mask].sum())
    return float(weight[mask & ~wrong].sum()) / total if total else 1.0


def words_of_checks(found: Unexplained, batch: Batch) -> str:
    """The actions after which a moment is not what it was, or what a checkpoint holds."""
    names: dict[str, Any] = {}
    for check in found.checks:
        action = batch.traces[check.life].life.actions[check.action]
        names.setdefault(type(action).__name__, None)
    words = {
        "Load": "when a checkpoint is loaded", "Save": "when a checkpoint is saved",
        "SetLr": "when lr is set", "SetOption": "when an option is set", "Refuse": "when a call is refused",
        "Copy": "when it is copied", "Step": "when another optimizer steps", "Run": "when another optimizer steps",
    }  # fmt: skip
    return " and ".join(words.get(name, f"at {name}") for name in names)
