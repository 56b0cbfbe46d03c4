"""Executors of work items: this process, processes of this machine, or a cluster.

dask.distributed handles more than one process: it hands out work items, notices a worker that died, and gives its
items to another. Its processes talk over TLS with a certificate of this run, so that no other process can have
them run code. The result of a work item depends on the item alone, and tallies add up in any order. So the
answer is the same to the bit for every executor.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from ...impl.recording.format import MANIFEST
from ...oracles.error_model import ErrorModel
from ..escape import one_line
from .tallies import AuditResult
from .work_items import WorkItem, audit_work_item

_SMALL: Final = 1 << 28
"""Below so many bytes, starting processes takes longer than judging."""

_FEW_CORES: Final = 2
"""Up to so many cores, the threads of the loops take half as long as processes next to a scheduler."""

_DEATHS: Final = 8
"""So many workers may die under one work item before it is given up. A machine that is short of memory soon reaches
the default of 3."""

_CLOSING: Final = 5
"""Seconds for taking leave of a scheduler, which may be gone."""

_LONGEST: Final = 300
"""Characters of what the workers say."""

Judge = Callable[[Sequence[WorkItem], Mapping[str, ErrorModel]], Iterator[tuple[WorkItem, AuditResult]]]


class ExecutorError(Exception):
    """The workers cannot judge this recording; the message says why."""


class WorkersGoneError(ExecutorError):
    """The workers began to judge, and did not end."""


@contextmanager
def executor(
    folder: Path, chunk_size: int, *, size: int, workers: int | None = None, scheduler: str | None = None
) -> Iterator[Judge]:
    """Open the executor that judges work items.

    Args:
        folder: of the recording.
        chunk_size: elements under one checksum.
        size: of the recording, in bytes.
        workers: how many processes of this machine; by default one a core, or none for a small recording or two cores,
            which the threads of this process fill.
        scheduler: the address of a scheduler of dask.distributed, whose workers see the folder under the same path.

    Raises:
        ExecutorError: dask.distributed is needed and not installed, or the cluster cannot judge.
    """
    distributed = find_spec("distributed") is not None
    few = size < _SMALL or _cores() <= _FEW_CORES or not distributed
    if scheduler is None and (workers == 1 or (workers is None and few)):
        yield lambda items, error_models: (
            (item, audit_work_item(folder, chunk_size, item, error_models)) for item in items
        )
        return
    if not distributed:
        raise ExecutorError("more than one process needs dask: pip install 'adamax-conformance[audit]'")
    with _client(workers, scheduler) as client:
        _require_folder(client, folder)
        yield lambda items, error_models: _judge_distributed(
            client, folder.resolve(), chunk_size, items, error_models
        )


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@contextmanager
def _client(workers: int | None, scheduler: str | None) -> Iterator[Any]:
    dask = import_module("dask")
    distributed = import_module("distributed")
    settings = {
        "distributed.scheduler.allowed-failures": _DEATHS,
        # A worker is one thread: as many as there are cores.
        "distributed.nanny.pre-spawn-environ.NUMBA_NUM_THREADS": 1,
        "distributed.worker.memory.terminate": False,
        "distributed.scheduler.http.routes": [],
        "distributed.worker.http.routes": [],
    }
    # Those who call report in one line what goes wrong.
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with dask.config.set(settings):
        if scheduler is not None:
            try:
                client = distributed.Client(scheduler, timeout="20s")
            except (OSError, ValueError) as error:
                raise ExecutorError(f"the scheduler {scheduler} does not answer ({error})") from error
            try:
                yield client
            finally:
                client.close(timeout=_CLOSING)
            return
        try:
            security = distributed.Security.temporary()
        except ImportError as error:
            raise ExecutorError(
                "more than one process needs cryptography: pip install 'adamax-conformance[audit]'"
            ) from error
        with (
            distributed.LocalCluster(
                security=security,
                n_workers=workers or _cores(),
                threads_per_worker=1,
                memory_limit=0,
                dashboard_address=None,
                silence_logs="CRITICAL",
            ) as cluster,
            distributed.Client(cluster, security=security) as client,
        ):
            yield client


def _require_folder(client: Any, folder: Path) -> None:
    file = folder.resolve() / MANIFEST
    answers = client.run(_is_there, file)
    if not answers:
        raise ExecutorError("the scheduler has no workers; start some with `dask worker ADDRESS`")
    blind = sorted(str(address) for address, there in answers.items() if there is not True)
    if blind:
        raise ExecutorError(f"the workers {', '.join(blind)} do not see {file}; mount the recording there")


def _is_there(file: Path) -> bool:
    return file.is_file()


def _judge_distributed(
    client: Any,
    folder: Path,
    chunk_size: int,
    items: Sequence[WorkItem],
    error_models: Mapping[str, ErrorModel],
) -> Iterator[tuple[WorkItem, AuditResult]]:
    distributed = import_module("distributed")
    futures = {
        client.submit(audit_work_item, folder, chunk_size, item, dict(error_models), pure=False): item
        for item in items
    }
    for future in distributed.as_completed(futures):
        item = futures.pop(future)
        try:
            result = future.result()
        except distributed.KilledWorker as error:
            raise WorkersGoneError(f"{_DEATHS} workers died of the work item {item.name}: {error}") from error
        except (distributed.CancelledError, OSError) as error:
            words = f"the workers or their scheduler are gone: {one_line(str(error), _LONGEST)}"
            raise WorkersGoneError(words) from error
        yield item, result
        future.release()
