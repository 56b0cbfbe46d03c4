"""The golden cases. Published cases stay as they are; new ones follow them.

Most numbers are small multiples of powers of two, so that one case is for every format.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from ..hyperparameters import DEFAULTS, Hyperparameters
from .model import FormatName, GoldenCase, GoldenGroup, GoldenParameter, Numbers, gradients, noise, single
from .training import training

_PLAIN: Final = Hyperparameters(lr=0.25, beta1=0.5, beta2=0.75, eps=0.0625)
_USUAL: Final = Hyperparameters(lr=0.05, beta1=0.9, beta2=0.99, eps=1e-3)
_INFINITY: Final = float("inf")
_NAN: Final = float("nan")
_ORDER: Final = (
    "an admissible order of evaluation overflows, underflows or divides by zero, where another does not"
)
_ANYTHING: Final = ("a value within the bound, where there is one", "any value where the bound is null")


def _name(x: float) -> str:
    return f"{x:g}".replace("+", "")


def _formula() -> Iterator[GoldenCase]:
    patterns = {
        "constant": ((1.0, -0.5),) * 4,
        "rising": tuple((k / 4, -k / 2) for k in (1.0, 2.0, 3.0, 4.0)),
        "fading": tuple((2.0**-k, -(2.0 ** (1 - k))) for k in range(4)),
        "mixed": gradients(1, 4, 2),
    }
    for name, pattern in patterns.items():
        for label, setting in (("defaults", DEFAULTS), ("plain", _PLAIN), ("usual", _USUAL)):
            yield GoldenCase(
                f"formula/{label}-{name}",
                f"{name} gradients from theta 0 and 1: the whole formula at once",
                ("formula", "first-moment", "norm", "bias-correction"),
                single(setting, (0.0, 1.0), pattern),
                len(pattern),
            )
    widths: dict[int, tuple[FormatName, ...]] = {
        10: ("binary16", "binary32", "binary64"),
        23: ("binary32", "binary64"),
        52: ("binary64",),
    }
    for bits, formats in widths.items():
        for seed, setting in ((2, _PLAIN), (3, _USUAL)):
            yield GoldenCase(
                f"formula/{bits}-bits-{seed}",
                f"numbers with {bits} bits of fraction: every product has to be rounded",
                ("formula", "precision"),
                single(setting, (0.0, *noise(seed, 1, bits)), gradients(seed, 4, 2, bits)),
                4,
                formats=formats,
            )


def _eps() -> Iterator[GoldenCase]:
    for eps in (1e-8, 1e-5, 1e-3, 0.01, 0.1, 0.25, 1.0, 3.0):
        setting = replace(_USUAL, beta2=0.5, eps=eps)
        yield GoldenCase(
            f"eps/fresh-{_name(eps)}",
            f"eps={eps:g} beside gradients that grow, so that the gradient's branch of the maximum wins",
            ("eps-placement", "eps-size"),
            single(setting, (0.0, 0.0), [(0.25, -0.125), (0.5, -0.25), (1.0, 0.5)]),
            3,
        )
        yield GoldenCase(
            f"eps/decayed-{_name(eps)}",
            f"eps={eps:g} beside gradients that fade, so that the decayed branch of the maximum wins",
            ("eps-placement", "eps-size", "norm"),
            single(replace(setting, beta2=0.99), (0.0, 0.0), [(1.0, -2.0), (0.25, 0.0), (0.0625, 0.5)]),
            3,
        )


def _bias_correction() -> Iterator[GoldenCase]:
    for number, beta1 in enumerate((0.5, 0.7, 0.9, 0.95, 0.99, 0.999, 0.9999, 1 - 2.0**-20)):
        setting = Hyperparameters(lr=0.125, beta1=beta1, beta2=0.9, eps=0.01)
        yield GoldenCase(
            f"bias-correction/first-steps-{number}",
            f"beta1={beta1!r}, every one of the first six steps",
            ("bias-correction", "step-count"),
            single(setting, (0.0,), gradients(20 + number, 6, 1)),
            6,
        )
        yield GoldenCase(
            f"bias-correction/later-steps-{number}",
            f"beta1={beta1!r}, where 1 - beta1^t has grown",
            ("bias-correction", "step-count"),
            single(setting, (0.0,), gradients(40 + number, 3, 1)),
            64,
            shown=(8, 16, 31, 64),
        )


def _betas() -> Iterator[GoldenCase]:
    firsts = (0.0, 2.0**-10, 0.1, 0.5, 0.9, 0.999, 1 - 2.0**-24, 1 - 2.0**-53)
    seconds = (0.0, 0.25, 0.999, 1 - 2.0**-53)
    for i, beta1 in enumerate(firsts):
        for j, beta2 in enumerate(seconds):
            if (i + j) % 4 == 3:
                continue
            yield GoldenCase(
                f"betas/{i}-{j}",
                f"beta1={beta1!r}, beta2={beta2!r}",
                ("beta-extremes", "first-moment", "norm"),
                single(
                    Hyperparameters(lr=0.125, beta1=beta1, beta2=beta2, eps=0.0625),
                    (0.0,),
                    [(1.0,), (-0.5,), (0.125,), (0.0,)],
                ),
                4,
            )


def _decay() -> Iterator[GoldenCase]:
    for number, decay in enumerate((1e-4, 0.01, 0.1, 0.5, 1.0, 2.0)):
        setting = replace(_PLAIN, weight_decay=decay)
        yield GoldenCase(
            f"decay/with-gradient-{number}",
            f"weight_decay={decay:g} beside gradients",
            ("weight-decay",),
            single(setting, (1.0, -4.0), gradients(60 + number, 4, 2)),
            4,
        )
        yield GoldenCase(
            f"decay/alone-{number}",
            f"weight_decay={decay:g} without any gradient: theta shrinks by the decay alone",
            ("weight-decay", "zero-gradient"),
            single(setting, (1.0, -0.5), [(0.0, 0.0)]),
            4,
        )


def _maximize() -> Iterator[GoldenCase]:
    for number, decay in enumerate((0.0, 0.01, 0.25, 1.0)):
        for label, beta1 in (("momentum", 0.75), ("no-momentum", 0.0)):
            yield GoldenCase(
                f"maximize/{label}-{number}",
                f"maximizing with weight_decay={decay:g}: the gradient is negated, then the decay added",
                ("maximize", "weight-decay"),
                single(
                    replace(_PLAIN, beta1=beta1, weight_decay=decay, maximize=True),
                    (0.0, 2.0),
                    gradients(80 + number, 4, 2),
                ),
                4,
            )


def _member(seed: int, steps: int, hyperparameters: Hyperparameters, rates: Numbers = ()) -> GoldenGroup:
    parameters = tuple(
        GoldenParameter((0.0, *noise(seed + k, 1)), gradients(seed + k, steps, 2)) for k in range(2)
    )
    return GoldenGroup(hyperparameters, parameters, rates)


def _groups() -> Iterator[GoldenCase]:
    options: dict[str, Hyperparameters] = {
        "lr": replace(_PLAIN, lr=0.03125),
        "betas": replace(_PLAIN, beta1=0.875, beta2=0.25),
        "eps": replace(_PLAIN, eps=0.5),
        "weight-decay": replace(_PLAIN, weight_decay=0.25),
        "maximize": replace(_PLAIN, maximize=True),
        "everything": Hyperparameters(
            lr=0.01, beta1=0.9, beta2=0.999, eps=0.1, weight_decay=0.05, maximize=True
        ),
    }
    for number, (name, other) in enumerate(options.items()):
        yield GoldenCase(
            f"groups/{name}",
            f"two groups that differ in {name}, of two parameters each",
            ("groups", "step-count"),
            (_member(100 + 10 * number, 3, _PLAIN), _member(105 + 10 * number, 3, other)),
            3,
        )
    yield GoldenCase(
        "groups/three",
        "three groups",
        ("groups", "step-count"),
        (_member(170, 3, options["eps"]), _member(175, 3, _USUAL), _member(180, 3, options["maximize"])),
        3,
    )
    yield GoldenCase(
        "groups/one-schedule",
        "the learning rate changes in the second group only",
        ("groups", "learning-rate"),
        (_member(190, 4, _PLAIN), _member(195, 4, _PLAIN, (0.5, 0.25, 0.125, 0.0625))),
        4,
    )


def _schedules() -> Iterator[GoldenCase]:
    rates: dict[str, Numbers] = {
        "falling": (0.5, 0.25, 0.125, 0.0625, 0.03125),
        "rising": (0.03125, 0.0625, 0.125, 0.25, 0.5),
        "warm-up": (0.0, 0.25, 0.5, 0.25, 0.0),
        "cyclic": (0.5, 0.125),
        "zero-between": (0.25, 0.0, 0.25, 0.0, 0.25),
        "decimal": (0.1, 0.09, 0.081, 0.0729, 0.06561),
        "wide": (1e-3, 10.0, 1e-5, 1.0, 1e-2),
        "one-change": (0.25, 0.25, 0.25, 0.03125, 0.03125),
    }
    for number, (name, values) in enumerate(rates.items()):
        yield GoldenCase(
            f"schedules/{name}",
            f"learning rates: {name}",
            ("learning-rate", "step-count"),
            single(replace(_PLAIN, lr=values[0]), (0.0, 1.0), gradients(200 + number, 5, 2), values),
            5,
        )


def _zeros() -> Iterator[GoldenCase]:
    patterns: dict[str, tuple[tuple[Numbers, ...], int]] = {
        "always": (((0.0, -0.0),), 4),
        "first": (((0.0, 0.0), (1.0, -0.5)), 4),
        "after-one": (((1.0, -0.5), (0.0, 0.0), (0.0, 0.0), (0.0, 0.0)), 4),
        "between": (((1.0, -0.5), (0.0, 0.0), (-0.25, 2.0), (0.0, 0.0)), 4),
        "sparse": (((1.0, 0.0), (0.0, 0.0), (0.0, -1.0), (0.0, 0.0)), 6),
        "rare": (((2.0, 0.0), *(((0.0, 0.0),) * 5)), 12),
        "negative-zero": (((-0.0, 0.5), (-0.0, -0.0)), 4),
    }
    for name, (pattern, steps) in patterns.items():
        flags = ("sparse-gradient", "norm") if name in {"sparse", "rare"} else ("zero-gradient", "step-count")
        for label, setting in (("plain", _PLAIN), ("usual", _USUAL)):
            yield GoldenCase(
                f"zeros/{name}-{label}",
                f"gradients of zero: {name}",
                flags,
                single(setting, (0.0, 1.5), pattern),
                steps,
            )


def _signs() -> Iterator[GoldenCase]:
    patterns: dict[str, tuple[Numbers, ...]] = {
        "negative": ((-1.0, -0.25), (-0.5, -0.5)),
        "alternating": ((1.0, -0.5), (-1.0, 0.5)),
        "turning-once": ((1.0, -1.0), (1.0, -1.0), (-2.0, 2.0), (-2.0, 2.0)),
        "cancelling": ((1.0, 0.75), (-0.5, -0.375)),
        "opposite": ((0.625, -0.625), (1.25, -1.25), (-0.3125, 0.3125)),
    }
    for name, pattern in patterns.items():
        for label, setting in (("plain", _PLAIN), ("usual", _USUAL)):
            yield GoldenCase(
                f"signs/{name}-{label}",
                f"signs of gradients: {name}",
                ("sign", "first-moment", "norm"),
                single(setting, (0.0, -0.0), pattern),
                5,
            )


_EXPONENTS: Final[dict[FormatName, tuple[int, ...]]] = {
    "binary16": (-13, -9, 8, 13),
    "bfloat16": (-120, -60, 60, 120),
    "binary32": (-120, -60, 60, 120),
    "binary64": (-1000, -400, 400, 1000),
}
_LEAST: Final[dict[FormatName, tuple[int, int]]] = {
    "binary16": (-14, -24),
    "bfloat16": (-126, -133),
    "binary32": (-126, -149),
    "binary64": (-1022, -1074),
}
"""The exponents of the smallest normal and the smallest subnormal number."""


def _scales() -> Iterator[GoldenCase]:
    for name, exponents in _EXPONENTS.items():
        for exponent in exponents:
            size = 2.0**exponent
            yield GoldenCase(
                f"scales/{name}-{exponent}",
                f"gradients near 2^{exponent}, with eps small beside them",
                ("range",),
                single(
                    Hyperparameters(lr=0.25, beta1=0.75, beta2=0.5, eps=size / 64),
                    (0.0, 1.0),
                    [tuple(size * x for x in g) for g in gradients(300 + exponent % 100, 3, 2)],
                ),
                3,
                formats=(name,),
            )


def _subnormals() -> Iterator[GoldenCase]:
    for name, (normal, least) in _LEAST.items():
        tiny, small = 2.0**least, 2.0**normal
        for label, sizes, eps in (
            ("gradient", (tiny, 3 * tiny, small / 2), small),
            ("both", (tiny, 5 * tiny, small / 4), 4 * tiny),
            ("edge", (small, small - tiny, small + tiny), small / 2),
        ):
            yield GoldenCase(
                f"subnormals/{name}-{label}",
                "gradients, m and u at the lower end of the format",
                ("subnormal", "range"),
                single(
                    Hyperparameters(lr=0.5, beta1=0.5, beta2=0.5, eps=eps), (0.0,) * 3, [sizes, sizes[::-1]]
                ),
                3,
                formats=(name,),
            )


def _special() -> Iterator[GoldenCase]:
    ordinary = noise(400, 1)[0]
    for label, value in (("nan", _NAN), ("infinite", _INFINITY), ("negative-infinite", -_INFINITY)):
        nan = label == "nan"
        for at, setting in ((1, _PLAIN), (2, _PLAIN), (2, replace(_PLAIN, weight_decay=0.25, maximize=True))):
            steps = [(1.0, ordinary), (0.5, ordinary), (-0.25, ordinary)]
            steps[at - 1] = (value, ordinary)
            yield GoldenCase(
                f"special/{label}-{at}{'-maximize' if setting.maximize else ''}",
                f"a gradient that is {label} at step {at}, beside an ordinary one",
                ("non-finite",),
                single(setting, (0.5, 0.5), steps),
                3,
                room=""
                if nan
                else "infinity over infinity, or minus infinity, is NaN in one order of evaluation only",
                acceptable=() if nan else ("inf", "-inf", "nan"),
            )
    for number, theta in enumerate((0.0, 1.5)):
        yield GoldenCase(
            f"special/eps-beneath-{number}",
            "an eps of 2^-1074 beside gradients of zero: it rounds to zero in most formats",
            ("zero-gradient", "eps-size"),
            single(Hyperparameters(lr=0.125, eps=2.0**-1074), (theta,), [(0.0,)]),
            2,
            room=_ORDER,
            acceptable=(*_ANYTHING, "nan"),
        )
    tops: dict[FormatName, int] = {"binary16": 15, "binary32": 127, "binary64": 1023}
    for name, top in tops.items():
        yield GoldenCase(
            f"special/overflow-{name}",
            "a learning rate of 100 beside gradients near the largest number",
            ("range",),
            single(Hyperparameters(lr=100.0, beta1=0.5, beta2=0.5, eps=1.0), (0.0, 0.0), [(2.0**top, 1.0)]),
            2,
            formats=(name,),
            room=_ORDER,
            acceptable=(*_ANYTHING, "inf", "-inf"),
        )
    yield GoldenCase(
        "special/lr-zero",
        "lr=0: theta stays, and m and u go on",
        ("learning-rate",),
        single(replace(_PLAIN, lr=0.0), (1.5, -0.5), gradients(402, 3, 2)),
        3,
    )


def _long() -> Iterator[GoldenCase]:
    for name, steps, shown, beta1 in (
        ("one-byte", 300, (255, 256, 257, 300), 0.999),
        ("ten-bits", 1030, (1000, 1001, 1023, 1024, 1030), 0.9995),
        ("eleven-bits", 2100, (1024, 2047, 2048, 2049, 2100), 0.9999),
    ):
        for label, decay in (("", 0.0), ("-decay", 0.0625)):
            yield GoldenCase(
                f"long/{name}{label}",
                f"{steps} steps: counters of few bits have stopped or wrapped, and beta1^t still shows",
                ("long-run", "step-count", "bias-correction"),
                single(
                    Hyperparameters(lr=2.0**-9, beta1=beta1, beta2=0.999, eps=1e-3, weight_decay=decay),
                    (0.0,),
                    gradients(500 + steps, 5, 1),
                ),
                steps,
                shown=shown,
            )
    yield GoldenCase(
        "long/schedule",
        "a learning rate that is halved and restored every eight steps, over 520 steps",
        ("long-run", "learning-rate"),
        single(replace(_USUAL, lr=2.0**-7), (0.0,), gradients(510, 3, 1), (2.0**-7,) * 8 + (2.0**-8,) * 8),
        520,
        shown=(8, 9, 16, 17, 512, 513, 520),
    )


GOLDEN_CASES: Final = (
    *_formula(),
    *_eps(),
    *_bias_correction(),
    *_betas(),
    *_decay(),
    *_maximize(),
    *_groups(),
    *_schedules(),
    *_zeros(),
    *_signs(),
    *_scales(),
    *_subnormals(),
    *_special(),
    *_long(),
    *training(),
)
assert len({case.id for case in GOLDEN_CASES}) == len(GOLDEN_CASES)
