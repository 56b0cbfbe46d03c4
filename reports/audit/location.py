"""The location of a recording: a folder, or an address of fsspec.

An address is a `upath.UPath`, which has the methods of a `Path`. The extra `remote` installs it.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from ..untrusted import shorten


class LocationError(Exception):
    """The address cannot be read here; the message says why."""

    def __init__(self, message: str) -> None:
        super().__init__(shorten(message))


def locate(address: str) -> Path:
    """The path of a folder or of an address such as `s3://bucket/recording`.

    Raises:
        LocationError: the address is of an unknown kind, or its package is not installed.
    """
    if "://" not in address:
        return Path(address)
    if find_spec("upath") is None:
        raise LocationError(f"{address} needs fsspec: pip install 'adamax-conformance[remote]'")
    try:
        found: Path = import_module("upath").UPath(address)
        found.exists()  # the package of its kind is imported at the first use
    except (ImportError, ValueError) as error:
        raise LocationError(f"{address} cannot be read here: {error}") from error
    except OSError:
        return found  # the reader of the manifest says why it cannot be read
    return found


def file_state(path: Path) -> tuple[int, int]:
    """The size of a file, and when it was changed.

    Raises:
        OSError: there is no such file.
    """
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
