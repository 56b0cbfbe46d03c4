"""The kinds of drawn bugs, in a module or two each; importing registers them."""

from __future__ import annotations

from typing import Final

from adamax_conformance.tests.meta.planted.drawn.kinds import (
    checkpoint,
    checkpoint_copies,
    counter,
    domain,
    hidden,
    identity,
    inputs,
    inputs_accepted,
    memory,
    memory_writes,
    number,
    option,
    precision,
    shape,
    size,
    special,
)

MODULES: Final = (
    shape,
    size,
    number,
    memory,
    memory_writes,
    identity,
    inputs,
    inputs_accepted,
    counter,
    option,
    domain,
    checkpoint,
    checkpoint_copies,
    special,
    precision,
    hidden,
)
