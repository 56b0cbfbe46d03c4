"""Tests that identify the norm of complex numbers, without bounds."""

from __future__ import annotations

import numpy as np
import pytest
from adamax_conformance.reference.rules import Epsilon, Norm, Rule
from adamax_conformance.tests.meta.oracles.complex_norm import GRADIENTS, SETTING, identify_norm, trajectory
from adamax_conformance.tests.meta.oracles.rule_optimizer import make_rule_optimizer


def plain(norm: Norm, rule: Rule, dtype: str) -> list[complex]:
    """The thetas of a plain optimizer over complex arrays with one of the norms."""
    theta = np.zeros(1, dtype)
    split = norm is Norm.PARTS
    own = theta.view(theta.real.dtype) if split else theta
    optimizer = make_rule_optimizer(rule)([own], **SETTING.options())
    seen = []
    for g in GRADIENTS:
        gradient = np.array([g], dtype)
        optimizer((gradient.view(own.dtype),))
        seen.append(complex(theta[0]))
    return seen


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
@pytest.mark.parametrize("epsilon", Epsilon)
@pytest.mark.parametrize("norm", Norm)
def test_each_norm_is_found_under_each_rule(norm, epsilon, dtype):
    rule = Rule(epsilon)
    found = identify_norm(plain(norm, rule, dtype), rule)
    assert found.norm is norm
    roundoff = 2.0**-24 if dtype == "complex64" else 2.0**-53
    assert found.distance < 64 * roundoff < found.separation / 4


def test_the_two_are_far_apart_at_each_step():
    parts, modulus = (list(trajectory(norm)) for norm in Norm)
    assert all(abs(a - b) > 0.05 for a, b in zip(parts, modulus, strict=True))


def test_neither_is_claimed_of_something_else():
    halved = [theta / 2 for theta in plain(Norm.PARTS, Rule(), "complex128")]
    assert identify_norm(halved).norm is None


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_pytorch_takes_the_norm_of_each_part(dtype):
    torch = pytest.importorskip("torch")
    theta = torch.zeros(1, dtype=getattr(torch, dtype), requires_grad=True)
    options = SETTING.options()
    optimizer = torch.optim.Adamax([theta], **options)
    seen = []
    for g in GRADIENTS:
        theta.grad = torch.tensor([g], dtype=theta.dtype)
        optimizer.step()
        seen.append(theta.detach().item())
    assert identify_norm(seen).norm is Norm.PARTS


@pytest.mark.parametrize("dtype", ["complex64", "complex128"])
def test_optax_takes_the_norm_of_the_modulus(dtype):
    jax, optax = pytest.importorskip("jax"), pytest.importorskip("optax")
    with jax.experimental.enable_x64():
        theta = jax.numpy.zeros(1, dtype)
        h = SETTING
        rule = optax.adamax(h.lr, b1=h.beta1, b2=h.beta2, eps=h.eps)
        state, seen = rule.init(theta), []
        for g in GRADIENTS:
            updates, state = rule.update(jax.numpy.array([g], dtype), state)
            theta = optax.apply_updates(theta, updates)
            seen.append(complex(theta[0]))
    assert identify_norm(seen).norm is Norm.MODULUS
