"""Every method on every planted class, each answer in a process of its own.

Some of the bugs keep something from one optimizer to the next.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from typing import Final

from adamax_conformance.tests.meta.methods import METHODS
from adamax_conformance.tests.meta.methods.record import DTYPES, Answer, Key
from adamax_conformance.tests.meta.planted import BUGS, FAITHFUL

JUDGES: Final = {method.name: method.judge for method in METHODS}
PLANTED: Final = {planted.name: planted for planted in (*BUGS, *FAITHFUL)}


def questions(methods: Sequence[str]) -> Iterator[Key]:
    """Every method on every planted class in each dtype that it has."""
    for method in methods:
        for name, planted in PLANTED.items():
            yield from ((method, name, dtype) for dtype in DTYPES if dtype in planted.dtypes)


def answer(key: Key) -> Answer:
    """Ask one method about one class."""
    method, name, dtype = key
    started = time.process_time()
    found = JUDGES[method](PLANTED[name], dtype)
    return Answer(method, name, dtype, found, round(time.process_time() - started, 4))


def answers(asked: Sequence[Key], jobs: int) -> Iterator[Answer]:
    """Ask in fresh processes, and yield each answer as it comes."""
    server = multiprocessing.get_context("forkserver")
    server.set_forkserver_preload([__name__])
    with ProcessPoolExecutor(jobs, mp_context=server, max_tasks_per_child=1) as pool:
        for future in as_completed([pool.submit(answer, key) for key in asked]):
            yield future.result()
