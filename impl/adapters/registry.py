"""Which subject does a name name?"""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from ..protocol.errors import Unavailable, UnknownSubject, UnsupportedDevice
from ..protocol.messages import Start
from .base import Adapter
from .factory import FactoryAdapter
from .frameworks import FRAMEWORKS, Framework


class Kind(Enum):
    """What a name names."""

    NUMPY = "numpy"
    """Our own fast implementation."""
    FRAMEWORK = "framework or framework[mode]"
    """A row of `frameworks`."""
    TORCH_CLASS = "torch:package.module.Class"
    FACTORY = "package.module:factory or path/to/file.py:factory"
    PROCESS = "process:COMMAND"


@dataclass(frozen=True)
class Named:
    """What a name names.

    Attributes:
        name: as on the command line.
        kind: what kind of thing that is.
        framework: the built-in framework's name; empty for every other kind.
        mode: of a built-in framework; empty for the usual.
        target: what is to be found: a class, a factory, a command.
    """

    name: str
    kind: Kind
    framework: str = ""
    mode: str = ""
    target: str = ""

    @property
    def is_builtin(self) -> bool:
        """Whether no code of the user's runs."""
        return self.kind in {Kind.NUMPY, Kind.FRAMEWORK}

    @property
    def command(self) -> list[str]:
        """The program and its arguments."""
        return shlex.split(self.target, posix=os.name != "nt")


_NUMPY_DTYPES: Final = ("float32", "float64")

_ROWS: Final[Mapping[str, tuple[Framework, str]]] = {
    name: (row, mode) for row in FRAMEWORKS for name, mode in zip(row.names, row.modes, strict=True)
}
"""The row of each framework's subject, and its mode."""

BUILTIN: Final = (Kind.NUMPY.value, *_ROWS)
"""The names of all built-in subjects."""


def parse(name: str) -> Named:
    """What a name names; nothing is imported and no file is opened.

    Raises:
        UnknownSubject: the name has none of the forms that there are.
    """
    if name == Kind.NUMPY.value:
        return Named(name, Kind.NUMPY)
    if name in _ROWS:
        row, mode = _ROWS[name]
        return Named(name, Kind.FRAMEWORK, row.name, mode)
    framework = name.partition("[")[0]
    if re.fullmatch(r"\w+\[[^\]]*\]", name) and framework in BUILTIN:
        modes = [known for known in BUILTIN if known.partition("[")[0] == framework]
        raise UnknownSubject(f"subject {name!r}: {framework} has no such mode; there are {', '.join(modes)}")
    scheme, _, rest = name.partition(":")
    if scheme == "process" and rest.strip():
        return Named(name, Kind.PROCESS, target=rest.strip())
    if scheme == "torch" and re.fullmatch(r"\w+(\.\w+)+", rest):
        return Named(name, Kind.TORCH_CLASS, target=rest)
    place, _, attribute = name.rpartition(":")
    is_place = place.endswith(".py") or re.fullmatch(r"\w+(\.\w+)*", place)
    if is_place and re.fullmatch(r"\w+(\.\w+)*", attribute):
        return Named(name, Kind.FACTORY, target=name)
    meant = "".join(f"; did you mean {near}?" for near in get_close_matches(name, BUILTIN, 1))
    raise UnknownSubject(
        f"subject {name!r} is unknown{meant or ';'} right is one of {', '.join(BUILTIN)}, package.module:factory, "
        "path/to/file.py:factory, torch:package.module.Class or process:COMMAND"
    )


def open_adapter(start: Start) -> Adapter:
    """The adapter of the subject that a `start` names, in this very process.

    Raises:
        UnknownSubject: the name names nothing.
        Unavailable: its framework, module, file or attribute is not here.
        UnsupportedDevice: it does not run on that device here.
    """
    named = parse(start.subject)
    framework: Adapter
    match named.kind:
        case Kind.FRAMEWORK:
            row, mode = _ROWS[named.name]
            framework = row.adapter_class()(start.device, mode)
            return framework
        case Kind.TORCH_CLASS:
            row, _ = _ROWS["torch"]
            torch_adapter = row.adapter_class()
            module, _, name = named.target.rpartition(".")
            optimizer = _attribute(_import(module, start.path), name, module)
            framework = torch_adapter(start.device, optimizer_class=optimizer)
            return framework
        case Kind.PROCESS:
            raise Unavailable(f"{named.name} runs in a process of its own")
        case Kind.NUMPY:
            from ..adamax.optimizer import Adamax  # noqa: PLC0415 - it may compile

            adapter: Adapter = FactoryAdapter(Adamax, _NUMPY_DTYPES)
        case Kind.FACTORY:
            adapter = FactoryAdapter(_find_factory(named.target, start.path))
    if start.device != "cpu":
        raise UnsupportedDevice(
            f"{named.name} computes on NumPy arrays, so on the cpu, not on {start.device}"
        )
    return adapter


def _find_factory(target: str, path: tuple[str, ...]) -> Callable[..., Any]:
    place, _, attribute = target.rpartition(":")
    module = _load_file(place, path) if place.endswith(".py") else _import(place, path)
    return _attribute(module, attribute, place)


def _search(path: tuple[str, ...]) -> None:
    """Put folders first among those in which modules are looked for."""
    sys.path[:0] = [folder for folder in path if folder not in sys.path]


def _import(name: str, path: tuple[str, ...]) -> ModuleType:
    _search(path)
    with _users_import(f"module {name}"):
        return importlib.import_module(name)


def _load_file(place: str, path: tuple[str, ...]) -> ModuleType:
    file = next((f for folder in (*path, "") if (f := Path(folder, place)).is_file()), None)
    if file is None:
        raise Unavailable(f"file {place} is not there")
    _search((*path, str(file.resolve().parent)))
    # Its own name could be that of a module that is needed: a file called numpy.py.
    name = f"_subject_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with _users_import(f"file {place}"):
        spec.loader.exec_module(module)
    return module


@contextmanager
def _users_import(what: str) -> Iterator[None]:
    try:
        yield
    except (Exception, SystemExit) as error:
        raise Unavailable(f"{what} cannot be imported: {type(error).__name__}: {error}") from error


def _attribute(module: ModuleType, attribute: str, place: str) -> Callable[..., Any]:
    found: Any = module
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise Unavailable(f"{place} has no attribute {attribute!r}")
        found = getattr(found, name)
    if not callable(found):
        raise Unavailable(f"{place}:{attribute} is {type(found).__name__}; want something that can be called")
    return found  # type: ignore[no-any-return]
