"""A short training run on a device, recorded: what `check-device` audits."""

from __future__ import annotations

from typing import Final

import numpy as np

from ...reference.case import Layout
from ..adapters.registry import open_adapter
from ..protocol.messages import FloatArray, Start
from .recorder import record

_SHAPES: Final = ((64, 33), (4099,), (7,), (1,))
_STEPS: Final = 20


def rehearse(subject: str, device: str, dtype: str, folder: str) -> None:
    """Record some steps of an optimizer, with decay and another rate half-way.

    Args:
        subject: of a framework, by its name on the command line.
        device: to run on.
        dtype: of the parameters.
        folder: of the recording; empty or not there.

    Raises:
        TypeError: the optimizer cannot be recorded.
    """
    adapter = open_adapter(Start(subject, device))
    rng = np.random.default_rng(20150107)

    def numbers(shape: tuple[int, ...]) -> FloatArray:
        return np.clip(np.rint(32 * rng.standard_normal(shape)), -127, 127) / 32  # every format has these

    params = [
        adapter.make_parameter(numbers(shape), dtype, Layout.CONTIGUOUS, index)
        for index, shape in enumerate(_SHAPES)
    ]
    groups = [{"params": params[:2], "weight_decay": 0.01}, {"params": params[2:]}]
    optimizer = adapter.make_optimizer(groups, (), {"lr": 0.01})
    with record(optimizer, folder):
        for t in range(_STEPS):
            if t == _STEPS // 2:
                for group in range(len(groups)):
                    adapter.set_lr(optimizer, group, 0.003)
            gradients = [adapter.make_gradient(numbers(shape), dtype, Layout.CONTIGUOUS) for shape in _SHAPES]
            adapter.step(optimizer, params, gradients)
