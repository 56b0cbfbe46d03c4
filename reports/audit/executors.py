"""Who judges the parts: this process, processes of this machine, or a cluster?

More than one process is dask.distributed's business: it hands out parts, notices a worker that died, and has its
parts done by another. Nothing of that is written here. What is found of a part depends on the part alone, and
tallies add up in any order, so the answer is the same to the bit whoever judges.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from ...impl.recording.format import MANIFEST
from ...oracles.error_model import Assumption
from .tallies import Result
from .work_items import Part, audit_part

_SMALL: Final = 1 << 28
"""Below so many bytes, starting processes takes longer than judging."""

_DEATHS: Final = 8
"""So many workers may die under one part before it is given up: a library's default of 3 is soon reached by a
machine that is short of memory."""

Judge = Callable[[Sequence[Part], Mapping[str, Assumption]], Iterator[tuple[Part, Result]]]


class EngineError(Exception):
    """The workers cannot judge this recording; says why, and what would be right."""


@contextmanager
def engine(
    folder: Path, chunk: int, *, size: int, workers: int | None = None, scheduler: str | None = None
) -> Iterator[Judge]:
    """What judges parts.

    Args:
        folder: of the recording.
        chunk: elements under one checksum.
        size: of the recording, in bytes.
        workers: how many processes of this machine; one a core by default, and none where that does not pay.
        scheduler: the address of a scheduler of dask.distributed, whose workers see the folder under the same path.

    Raises:
        EngineError: dask.distributed is wanted and not installed, or the cluster does not do.
    """
    distributed = find_spec("distributed") is not None
    if scheduler is None and (workers == 1 or (workers is None and (size < _SMALL or not distributed))):
        yield lambda parts, assumptions: (
            (part, audit_part(folder, chunk, part, assumptions)) for part in parts
        )
        return
    if not distributed:
        raise EngineError("more than one process needs dask: pip install 'adamax-conformance[audit]'")
    with _client(workers, scheduler) as client:
        _require_sight(client, folder)
        yield lambda parts, assumptions: _distributed(client, folder.resolve(), chunk, parts, assumptions)


@contextmanager
def _client(workers: int | None, scheduler: str | None) -> Iterator[Any]:
    dask = import_module("dask")
    distributed = import_module("distributed")
    settings = {
        "distributed.scheduler.allowed-failures": _DEATHS,
        # A worker is one thread: as many as there are cores.
        "distributed.nanny.pre-spawn-environ.NUMBA_NUM_THREADS": 1,
        "distributed.worker.memory.terminate": False,
        "logging.distributed": "error",
    }
    with dask.config.set(settings):
        if scheduler is not None:
            try:
                client = distributed.Client(scheduler, timeout="20s")
            except (OSError, ValueError) as error:
                raise EngineError(f"the scheduler {scheduler} does not answer ({error})") from error
            with client:
                yield client
            return
        with (
            distributed.LocalCluster(
                n_workers=workers or os.cpu_count() or 1,
                threads_per_worker=1,
                memory_limit=0,
                dashboard_address=None,
                silence_logs="CRITICAL",
            ) as cluster,
            distributed.Client(cluster) as client,
        ):
            yield client


def _require_sight(client: Any, folder: Path) -> None:  # noqa: ANN401 - of an optional package
    file = folder.resolve() / MANIFEST
    seen = client.run(_is_there, str(file))
    if not seen:
        raise EngineError("the scheduler has no workers; start some with `dask worker ADDRESS`")
    blind = sorted(str(address) for address, there in seen.items() if there is not True)
    if blind:
        raise EngineError(f"the workers {', '.join(blind)} do not see {file}; mount the recording there")


def _is_there(file: str) -> bool:
    return Path(file).is_file()


def _distributed(
    client: Any,  # noqa: ANN401 - of an optional package
    folder: Path,
    chunk: int,
    parts: Sequence[Part],
    assumptions: Mapping[str, Assumption],
) -> Iterator[tuple[Part, Result]]:
    distributed = import_module("distributed")
    futures = {
        client.submit(audit_part, folder, chunk, part, dict(assumptions), pure=False): part for part in parts
    }
    for future in distributed.as_completed(futures):
        part = futures.pop(future)
        try:
            result = future.result()
        except distributed.KilledWorker as error:
            raise EngineError(f"{_DEATHS} workers died of the part {part.name}: {error}") from error
        yield part, result
        future.release()
