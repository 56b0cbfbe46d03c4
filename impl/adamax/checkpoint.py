"""A file of an optimizer's parameters and state.

One safetensors file: the tensors `theta.N`, `exp_avg.N` and `exp_inf.N` for parameter N, and the rest of the
state as JSON in the header's metadata, where the numbers keep every bit (JSON's shortest decimal is exact).
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import numpy as np

from .arrays import Array, check_like

_FORMAT: Final = "adamax-conformance optimizer 1"
_KINDS: Final = ("theta", "exp_avg", "exp_inf")


def write_checkpoint(
    path: str | os.PathLike[str], parameters: Sequence[Array], state: Mapping[str, Any]
) -> None:
    """Write a file as a whole.

    A reader sees the old one or the new one, also after a crash.

    Args:
        path: of the file; an old one is replaced.
        parameters: theta of each parameter.
        state: the result of `Adamax.state_dict`; the file has null for a callable lr.

    Raises:
        ImportError: safetensors is not installed.
        OSError: the file cannot be written.
    """
    safetensors = _import_safetensors("safetensors.numpy")
    arrays = {"theta": parameters, "exp_avg": state["exp_avg"], "exp_inf": state["exp_inf"]}
    tensors = {
        f"{kind}.{i}": np.ascontiguousarray(array).reshape(array.shape)
        for kind in _KINDS
        for i, array in enumerate(arrays[kind])
    }
    groups = [
        group | {"lr": None if callable(group["lr"]) else group["lr"]} for group in state["param_groups"]
    ]
    metadata = {"format": _FORMAT, "state": json.dumps({"t": state["t"], "param_groups": groups})}
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{uuid4().hex}.part")
    try:
        safetensors.save_file(tensors, temporary, metadata=metadata)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def read_checkpoint(
    path: str | os.PathLike[str], parameters: Sequence[Array], rates: Sequence[Any]
) -> tuple[list[Array], dict[str, Any]]:
    """Read a file of `write_checkpoint`.

    Args:
        path: of the file.
        parameters: the arrays that its theta must fit.
        rates: the learning rate of each group for which the file has null.

    Returns:
        theta of each parameter, and the state, which is not yet checked.

    Raises:
        ImportError: safetensors is not installed.
        OSError: the file cannot be read.
        ValueError: `write_checkpoint` did not write it, or its theta does not fit.
        TypeError: its theta has another dtype.
    """
    safetensors = _import_safetensors("safetensors")
    try:
        with safetensors.safe_open(os.fspath(path), framework="numpy") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is not a safetensors file: {error}") from error
    if metadata.get("format") != _FORMAT:
        raise ValueError(f"{path} has the format {metadata.get('format')!r}; it must be {_FORMAT!r}")
    arrays = {kind: _collect_tensors(tensors, kind) for kind in _KINDS}
    if len(arrays["theta"]) != len(parameters):
        raise ValueError(
            f"{path} has {len(arrays['theta'])} parameters; this optimizer has {len(parameters)}"
        )
    thetas = [
        check_like(theta, parameter, f"{path}: theta {i}")
        for i, (theta, parameter) in enumerate(zip(arrays["theta"], parameters, strict=True))
    ]
    try:
        state = json.loads(metadata["state"])
        for group, rate in zip(state["param_groups"], rates, strict=False):
            group["lr"] = rate if group["lr"] is None else group["lr"]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} has damaged metadata: {error!r}") from error
    return thetas, {**state, "exp_avg": arrays["exp_avg"], "exp_inf": arrays["exp_inf"]}


def _collect_tensors(tensors: Mapping[str, Array], kind: str) -> list[Array]:
    """Collect the tensors of one kind in their order, up to the first that is missing."""
    found: list[Array] = []
    while (name := f"{kind}.{len(found)}") in tensors:
        found.append(tensors[name])
    return found


def _import_safetensors(module: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise ImportError(
            "saving and loading needs safetensors: pip install 'adamax-conformance[checkpoint]'"
        ) from error
