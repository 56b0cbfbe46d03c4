"""Threads that share the pieces of a step.

The caller and the workers take pieces until none is left, and the caller waits for those alone that workers have
begun. So a core that another program occupies costs nothing but what it would have done.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any


class SharedWork:
    """Pieces of work, each for the thread that takes it first."""

    def __init__(self, run: Callable[[Any], None], pieces: Sequence[Any]) -> None:
        self._run = run
        self._left = deque(pieces)
        self._begun = 0
        self._lock = Lock()
        self._ended: SimpleQueue[BaseException | None] = SimpleQueue()

    def help(self) -> None:
        """Run pieces in a worker until none is left."""
        while True:
            with self._lock:
                if not self._left:
                    return
                self._begun += 1
                piece = self._left.popleft()
            try:
                self._run(piece)
            except BaseException as error:  # noqa: BLE001 - raised in the thread that waits for it
                self._ended.put(error)
            else:
                self._ended.put(None)

    def finish(self) -> None:
        """Run pieces until none is left, and wait for those that workers have begun.

        Raises:
            BaseException: what a piece raised, in any thread.
        """
        try:
            while True:
                with self._lock:
                    if not self._left:
                        break
                    piece = self._left.popleft()
                self._run(piece)
        finally:
            with self._lock:
                self._left.clear()
            errors = [self._ended.get() for _ in range(self._begun)]
        for error in errors:
            if error is not None:
                raise error


_queue: SimpleQueue[SharedWork] = SimpleQueue()

_workers: list[Thread] = []

_workers_lock = Lock()


def run_in_threads(run: Callable[[Any], None], pieces: Sequence[Any], threads: int) -> None:
    """Run a function on every piece.

    The workers live as long as the process. The futures of a thread pool take twice as long to hand a piece over.

    Args:
        run: called from several threads at once.
        pieces: what it is called with.
        threads: how many to use at most, the caller's included.

    Raises:
        BaseException: what a piece raised; no other piece runs any more.
    """
    others = min(threads, len(pieces)) - 1
    with _workers_lock:
        while len(_workers) < others:
            worker = Thread(target=_help_all, args=(_queue,), name=f"adamax-{len(_workers)}", daemon=True)
            worker.start()
            _workers.append(worker)
    work = SharedWork(run, pieces)
    for _ in range(others - _queue.qsize()):  # what lies there has not woken a worker yet
        _queue.put(work)
    work.finish()


def _help_all(queue: SimpleQueue[SharedWork]) -> None:
    while True:
        work = queue.get()
        work.help()
        del work  # while it waits, it holds no array


def _forget_workers() -> None:
    """Begin again in the child of a fork, which has none of the threads."""
    global _queue, _workers_lock
    _queue, _workers_lock = SimpleQueue(), Lock()
    _workers.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_workers)
