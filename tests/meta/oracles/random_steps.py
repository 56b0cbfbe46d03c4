"""Random steps of many elements, with results that are right, nearly so, or wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
from adamax_conformance.oracles.batch.block import Block
from adamax_conformance.oracles.batch.trajectory import RunStep
from adamax_conformance.oracles.error_model import (
    CORRECTLY_ROUNDED,
    Arithmetic,
    ErrorModel,
    EvaluationScheme,
    Form,
)
from adamax_conformance.oracles.formats import Format
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.reference.rules import DOCUMENTED, Rule, all_rules
from adamax_conformance.tests.meta.oracles.plain import Numbers, plain_step

BETAS = (0.0, 0.3, 0.5, 0.9, 0.999, 1 - 2.0**-20, 1 - 2.0**-53)
ARITHMETICS = (
    CORRECTLY_ROUNDED,
    Arithmetic(add=1.5, multiply=2.0, divide=4.0),
    Arithmetic(flush_to_zero=True),
)
RULES = all_rules()

Step = tuple[Block, Hyperparameters, int, ErrorModel]


def draw_options(rng: np.random.Generator) -> Hyperparameters:
    """Hyperparameters, the extreme ones among them."""
    return Hyperparameters(
        lr=float(rng.choice([0.0, 1.0, 0.1, 2e-3, 1e-8, 10.0])),
        beta1=float(rng.choice(BETAS)),
        beta2=float(rng.choice(BETAS)),
        eps=float(rng.choice([0.0, 1e-8, 1e-3, 0.06, 1.0])),
        weight_decay=float(rng.choice([0.0, 0.0, 0.01, 1.0])),
        maximize=bool(rng.random() < 0.3),
    )


def draw_error_model(rng: np.random.Generator, format_: Format) -> ErrorModel:
    """A random error model in a format."""
    scalars = [f for f in Format if f.precision >= format_.precision]
    m, u, theta = (scalars[rng.integers(len(scalars))] for _ in range(3))
    scheme = EvaluationScheme(
        list(Form)[rng.integers(len(Form))],
        m,
        u,
        theta,
        rounds_operands=bool(rng.random() < 0.1),
        reciprocal=bool(rng.random() < 0.1),
    )
    rule = DOCUMENTED if rng.random() < 0.5 else RULES[rng.integers(len(RULES))]
    return ErrorModel(format_, rule, scheme, ARITHMETICS[rng.integers(len(ARITHMETICS))])


def draw_plain_error_model(rng: np.random.Generator, format_: Format, *, form: Form) -> ErrorModel:
    """The documented rule, evaluated in a form with scalars of either precision."""
    scalars = format_ if rng.random() < 0.5 else Format.BINARY64
    return ErrorModel(format_, DOCUMENTED, EvaluationScheme(form).with_scalars(scalars))


def in_format(values: Any, format_: Format) -> Any:
    """Each number of float64 rounded to a format."""
    return np.array([format_.round_float(float(x)) for x in values])


def _numbers(rng: np.random.Generator, format_: Format, size: int, *, ordinary: bool) -> Any:
    values = rng.normal(size=size) * 2.0 ** rng.uniform(-12, 6, size)
    if not ordinary:
        low, high = max(format_.emin - format_.precision, -1073), min(format_.emax, 1022)
        extreme = rng.choice([-1.0, 1.0], size) * 2.0 ** rng.uniform(low, high, size)
        values = np.where(rng.random(size) < 0.4, extreme, values)
        values = np.where(rng.random(size) < 0.01, rng.choice([np.nan, np.inf, -np.inf], size), values)
    return in_format(np.where(rng.random(size) < 0.15, 0.0, values), format_)


def _move_some(rng: np.random.Generator, format_: Format, values: Any) -> Any:
    """Numbers of a format moved by some ulp, most of them by none."""
    ulps = np.array([format_.ulp(x) if np.isfinite(x) else 0.0 for x in values])
    moves = rng.choice([0, 0, 0, 0, 1, -1, 2, -3, 4, 1000], size=len(values))
    return in_format(values + moves * ulps, format_)


def draw_block(
    rng: np.random.Generator,
    format_: Format,
    options: Hyperparameters,
    t: int,
    rule: Rule,
    size: int,
    *,
    ordinary: bool,
) -> Block:
    """A block of results of a plain evaluation in binary64, rounded, or some ulp off."""
    theta, m, u, g = (_numbers(rng, format_, size, ordinary=ordinary) for _ in range(4))
    u = np.abs(u)
    h = options
    numbers = Numbers(h.lr, h.beta1, 1 - h.beta1, h.beta2, h.eps, h.weight_decay, 1 - h.beta1**t, h.maximize)
    with np.errstate(all="ignore"):
        _, m_after, u_after = plain_step((theta, m, u), g, numbers, rule, np.maximum)
        m_after, u_after = (_move_some(rng, format_, in_format(x, format_)) for x in (m_after, u_after))
        # From the m and u that are seen: as if the decay had been taken before.
        still = Numbers(h.lr, 1.0, 0.0, 1.0, h.eps, 0.0, 1 - h.beta1**t, maximize=False)
        theta_after = plain_step((theta, m_after, u_after), 0 * u_after, still, rule, _first)[0]
        theta_after = _move_some(rng, format_, in_format(theta_after, format_))
    dtype = np.float64 if format_ is Format.BINARY64 else np.float32
    arrays = (theta, m, u, g, theta_after, m_after, u_after)
    return Block(*(x.astype(dtype) for x in arrays))


def _first(a: Any, _: Any) -> Any:
    return a


def draw_step(rng: np.random.Generator, format_: Format, size: int) -> Step:
    """A step of any rule, evaluation scheme and arithmetic."""
    options, t = draw_options(rng), int(rng.choice([1, 2, 3, 10, 1000]))
    error_model = draw_error_model(rng, format_)
    block = draw_block(rng, format_, options, t, error_model.rule, size, ordinary=bool(rng.random() < 0.3))
    return block, options, t, error_model


def draw_training_step(
    rng: np.random.Generator,
    format_: Format,
    size: int,
    *,
    form: Form,
    weight_decay: float,
    share: float = 0.9,
) -> Step:
    """A step as in training: the documented rule, and mostly ordinary numbers."""
    options = Hyperparameters(
        lr=float(rng.choice([0.1, 2e-3, 1e-5])),
        beta1=float(rng.choice([0.3, 0.9, 0.99])),
        beta2=float(rng.choice([0.5, 0.999])),
        eps=float(rng.choice([1e-8, 1e-3])),
        weight_decay=weight_decay,
        maximize=bool(rng.random() < 0.3),
    )
    t = int(rng.choice([1, 2, 3, 10, 1000]))
    error_model = draw_plain_error_model(rng, format_, form=form)
    block = draw_block(rng, format_, options, t, DOCUMENTED, size, ordinary=bool(rng.random() < share))
    return block, options, t, error_model


def draw_run(rng: np.random.Generator, format_: Format, size: int) -> tuple[Any, list[RunStep], ErrorModel]:
    """A run of some steps under any error model; m, u or both may be hidden."""
    options, error_model = draw_options(rng), draw_error_model(rng, format_)
    ordinary = bool(rng.random() < 0.7)
    theta = _numbers(rng, format_, size, ordinary=ordinary)
    theta = np.where(np.isfinite(theta), theta, 1.0)
    state, steps, h = (theta, np.zeros(size), np.zeros(size)), [], options
    hidden = rng.random(2) < 0.2
    for t in range(1, 9):
        g = _numbers(rng, format_, size, ordinary=ordinary)
        numbers = Numbers(
            h.lr, h.beta1, 1 - h.beta1, h.beta2, h.eps, h.weight_decay, 1 - h.beta1**t, h.maximize
        )
        with np.errstate(all="ignore"):
            after = plain_step(state, g, numbers, error_model.rule, np.maximum)
            state = tuple(in_format(x, format_) for x in after)
            shown = [_move_some(rng, format_, x) for x in state]
        steps.append(
            RunStep(
                options,
                g,
                (shown[0], *(None if hide else x for hide, x in zip(hidden, shown[1:], strict=True))),
            )
        )
    return theta, steps, error_model
