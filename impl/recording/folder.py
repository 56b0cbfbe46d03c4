"""The folder of a recording, and its copy at an address of fsspec."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryFile, mkdtemp
from typing import Any, Final

from .format import MANIFEST, PARTIAL_SUFFIX
from .sources.base import ParameterInfo, Source

_ARRAYS: Final = 5
"""Arrays of a parameter's size in the first step's file: its gradient, theta before it, and the state after it."""
_SEPARATOR: Final = "://"


class RecordingFolder:
    """The folder that a recording is written to.

    Each whole file is copied to an address, if one was given.

    Attributes:
        path: of the folder; a temporary one where the recording goes to an address.
    """

    def __init__(self, directory: str | os.PathLike[str], rank: int | None) -> None:
        """Make the folder, and check that it is empty and can be written to.

        Raises:
            ValueError: it is not empty, or its address is of a kind that is not known here.
            OSError: it cannot be written to.
        """
        own = "" if rank is None else f"rank-{rank}"
        self._copy: _Copy | None = None
        if _SEPARATOR in str(directory):
            self._copy = _Copy(f"{str(directory).rstrip('/')}/{own}".rstrip("/"))
            self.path = Path(mkdtemp(prefix="recording-"))
        else:
            self.path = Path(directory) / own
            self.path.mkdir(parents=True, exist_ok=True)
            if found := next(self.path.iterdir(), None):
                raise ValueError(f"the directory {self.path} holds {found.name}; it must be empty")

    def __str__(self) -> str:
        """The folder or the address that the user named."""
        return str(self.path) if self._copy is None else self._copy.address

    def require_room(self, parameters: Sequence[ParameterInfo]) -> None:
        """Require that the folder can be written to, and has room for the first step.

        Raises:
            OSError: it cannot, or has not.
        """
        with TemporaryFile(dir=self.path):
            pass
        need = _ARRAYS * sum(map(bytes_of, parameters))
        free = shutil.disk_usage(self.path).free
        if free < need:
            words = f"the first step needs {need:,} bytes; {free:,} are free"
            raise OSError(errno.ENOSPC, words, str(self.path))

    def copy(self, step: str, dropped: Sequence[str]) -> None:
        """Copy a whole step and the manifest, and remove what that lists no more.

        Args:
            step: the name of its file.
            dropped: the names of the files of those steps.

        Raises:
            OSError: the address does not take it.
        """
        if self._copy is not None:
            self._copy.add(self.path, step, dropped)

    def close(self) -> None:
        """Copy what is not at the address yet, and remove the temporary folder.

        Raises:
            OSError: the address does not take it; the folder stays.
        """
        if self._copy is not None:
            self._copy.add_all(self.path)
            shutil.rmtree(self.path, ignore_errors=True)


class _Copy:
    """A recording at an address. A file there has its name once it is whole."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._done: set[str] = set()
        self._failed = False
        try:
            self._fs, self._root = import_module("fsspec.core").url_to_fs(address)
        except (ImportError, ValueError) as error:
            words = f"nothing can be recorded at {address}: {error}"
            raise ValueError(words) from error
        try:
            self._fs.makedirs(self._root, exist_ok=True)
            found = self._list()
            probe = f"{self._root}/{MANIFEST}{PARTIAL_SUFFIX}"
            if not found:
                self._fs.pipe_file(probe, b"")
                self._fs.rm_file(probe)
        except Exception as error:
            raise OSError(f"{address} cannot be written to: {_in_words(error)}") from error
        if found:
            raise ValueError(f"the directory {address} holds {found[0]}; it must be empty")

    def _list(self) -> list[str]:
        """The names of the files that are there."""
        try:
            paths = self._fs.ls(self._root, detail=False)
        except FileNotFoundError:  # where a folder is its files alone
            return []
        return [name for path in paths if (name := self._name(path))]

    def _name(self, path: str) -> str:
        """The name of a file in the folder; empty for the folder, which some list."""
        return "" if path.rstrip("/") == self._root.rstrip("/") else path.rstrip("/").rpartition("/")[2]

    def add(self, folder: Path, step: str, dropped: Sequence[str]) -> None:
        """Copy a step's file, then the manifest; then remove dropped files."""
        if self._failed:  # it was said once, and is tried again at the end
            return
        self._guard(lambda: self._add(folder, [step, MANIFEST], dropped), folder)

    def add_all(self, folder: Path) -> None:
        """Copy every file that is missing, the manifest as the last one."""
        names = sorted(path.name for path in folder.iterdir() if path.name.startswith("step-"))
        missing = [name for name in names if name not in self._done]
        self._guard(lambda: self._add(folder, [*missing, MANIFEST], sorted(self._done - {*names})), folder)

    def _guard(self, act: Any, folder: Path) -> None:
        try:
            act()
        except Exception as error:
            self._failed = True
            words = f"{self.address} does not take it ({_in_words(error)}); the recording is in {folder}"
            raise OSError(words) from error

    def _add(self, folder: Path, names: Sequence[str], dropped: Sequence[str]) -> None:
        for name in names:
            self._put(folder / name, f"{self._root}/{name}")
            if name != MANIFEST:
                self._done.add(name)
        for name in dropped:
            if name in self._done:
                self._fs.rm_file(f"{self._root}/{name}")
                self._done.remove(name)

    def _put(self, file: Path, target: str) -> None:
        """Copy a file under another name, and give it its own once all of it is there."""
        partial = target + PARTIAL_SUFFIX
        self._fs.put_file(str(file), partial)
        size, whole = self._fs.info(partial)["size"], file.stat().st_size
        if size != whole:
            raise OSError(f"{file.name} has {size} bytes there, and {whole} here")
        try:
            self._fs.mv(partial, target)
        except FileExistsError:  # of a kind that does not replace a file
            self._fs.rm_file(target)
            self._fs.mv(partial, target)


def _in_words(error: Exception) -> str:
    """An exception in one line."""
    return " ".join(f"{type(error).__name__}: {error}".split())


def bytes_of(parameter: ParameterInfo) -> int:
    """The bytes of a parameter that this process has; 0 if it does not say."""
    own = parameter.key.to_local() if hasattr(parameter.key, "to_local") else parameter.key
    return int(getattr(own, "nbytes", 0))


def open_folder(
    directory: str | os.PathLike[str],
    source: Source,
    on_error: str,
    chosen: Sequence[ParameterInfo] | None = None,
) -> RecordingFolder:
    """Make the folder of a recording, and check it before the training.

    Args:
        directory: of the recording, or an address of fsspec.
        source: that is recorded.
        on_error: what happens to an error.
        chosen: the parameters that are recorded; all of them by default.
    """
    if on_error not in {"raise", "warn"}:
        raise ValueError(f"on_error is {on_error!r}; it must be 'raise' or 'warn'")
    folder = RecordingFolder(directory, source.facts.rank)
    folder.require_room(source.parameters() if chosen is None else chosen)
    return folder
