"""The threads that share a step."""

from __future__ import annotations

from threading import Event, current_thread

import pytest
from adamax_conformance.impl.adamax.workers import SharedWork, run_in_threads


@pytest.mark.parametrize("threads", [1, 2, 5])
@pytest.mark.parametrize("pieces", [0, 1, 3, 40])
def test_every_piece_runs_once(threads, pieces):
    ran = []
    run_in_threads(ran.append, range(pieces), threads)
    assert sorted(ran) == list(range(pieces))


def test_pieces_run_in_the_caller_and_in_workers():
    both = [Event(), Event()]

    def meet(piece):
        both[piece].set()
        assert both[1 - piece].wait(60)

    run_in_threads(meet, [0, 1], 2)


def test_the_caller_waits_for_what_a_worker_has_begun():
    begun, caller_is_through, ended = Event(), Event(), []
    caller = current_thread()

    def run(piece):
        if current_thread() is caller:
            assert begun.wait(60)
            caller_is_through.set()
        else:
            begun.set()
            assert caller_is_through.wait(60)
        ended.append(piece)

    run_in_threads(run, [0, 1], 2)
    assert sorted(ended) == [0, 1]


def test_the_caller_does_not_wait_for_workers_that_have_begun_nothing():
    ran = []
    work = SharedWork(ran.append, range(5))  # no worker knows it
    work.finish()
    assert ran == list(range(5))
    work.help()
    assert len(ran) == 5


def test_an_error_in_a_worker_is_raised_in_the_caller_and_the_next_step_is_unharmed():
    caller, failed = current_thread(), Event()

    def run(_):
        if current_thread() is caller:
            assert failed.wait(60)
        else:
            failed.set()
            raise MemoryError("in a worker")

    with pytest.raises(MemoryError, match="in a worker"):
        run_in_threads(run, range(2), 2)
    test_every_piece_runs_once(2, 40)


def test_after_an_error_in_the_caller_no_other_piece_begins():
    ran = []

    def run(piece):
        ran.append(piece)
        raise ValueError(piece)

    with pytest.raises(ValueError, match="0"):
        SharedWork(run, range(9)).finish()
    assert ran == [0]
