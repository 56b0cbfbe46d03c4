"""A lock on a report's folder, so that two runs never write into one at once."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Final

FILE_NAME: Final = ".lock"
_BUSY: Final = frozenset({errno.EACCES, errno.EAGAIN, errno.EDEADLK})


class FolderLockedError(Exception):
    """Another run is writing into the folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(
            f"another run is writing into the report folder {folder}; wait for it, or name another with --report"
        )


class FolderLock:
    """Holds a folder until it is closed, or its process ends, however it ends.

    The lock belongs to this process alone: one that it forks does not inherit it. Its file stays, and is empty.
    """

    def __init__(self, folder: Path) -> None:
        """Lock the folder.

        Raises:
            FolderLockedError: another process holds it.
            OSError: the folder cannot be written to.
        """
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
        self._file = os.open(folder / FILE_NAME, flags, 0o644)
        try:
            _lock(self._file)
        except OSError as error:
            self.close()
            if error.errno in _BUSY:
                raise FolderLockedError(folder) from error
            raise

    def close(self) -> None:
        """Release the folder."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
