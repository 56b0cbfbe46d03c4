"""The names of subjects, and the adapter of each."""

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

from ..bridges import REQUIREMENTS
from ..protocol.errors import UnavailableError, UnknownSubjectError, UnsupportedDeviceError
from ..protocol.messages import Start
from .base import Adapter, signature_arguments
from .factory import FactoryAdapter
from .frameworks import FRAMEWORKS, Framework


class SubjectKind(Enum):
    """The kinds of subjects; the values are the forms of their names."""

    NUMPY = "numpy"
    """Our own fast implementation."""
    FRAMEWORK = "framework or framework[mode]"
    """A row of `frameworks`."""
    TORCH_CLASS = "torch:package.module.Class or torch:path/to/file.py:Class"
    FACTORY = "package.module:factory, path/to/file.py:factory or bridge:NAME"
    PROCESS = "process:COMMAND"


@dataclass(frozen=True)
class SubjectName:
    """A subject's name and its parts.

    Attributes:
        name: as on the command line.
        kind: the kind of the subject.
        framework: the built-in framework's name; empty for every other kind.
        mode: of a built-in framework; empty for its default.
        target: the class, factory or command to find.
    """

    name: str
    kind: SubjectKind
    framework: str = ""
    mode: str = ""
    target: str = ""

    @property
    def is_builtin(self) -> bool:
        """Whether no code of the user's runs."""
        return self.kind in {SubjectKind.NUMPY, SubjectKind.FRAMEWORK}

    @property
    def command(self) -> list[str]:
        """The program and its arguments.

        Raises:
            UnknownSubjectError: a quote is not closed, or a character can be in no argument.
        """
        try:
            words = shlex.split(self.target, posix=os.name != "nt")
        except ValueError as error:
            raise UnknownSubjectError(f"subject {self.name!r} is not a command ({error})") from error
        if not words or "\0" in self.target:
            raise UnknownSubjectError(f"subject {self.name!r} is not a command; want process:COMMAND")
        return words


_NUMPY_DTYPES: Final = ("float32", "float64")

_ROWS: Final[Mapping[str, tuple[Framework, str]]] = {
    name: (row, mode) for row in FRAMEWORKS for name, mode in zip(row.names, row.modes, strict=True)
}
"""The row of each framework's subject, and its mode."""

BUILTIN: Final = (SubjectKind.NUMPY.value, *_ROWS)
"""The names of all built-in subjects."""

BRIDGES: Final[Mapping[str, str]] = {
    f"bridge:{name}": f"adamax_conformance.impl.bridges.{name}:Adamax" for name in REQUIREMENTS
}
"""The factory of each bridge, by its name on the command line."""


def parse_name(name: str) -> SubjectName:
    """Parse a name, without importing anything or opening a file.

    Raises:
        UnknownSubjectError: the name has none of the known forms.
    """
    if name == SubjectKind.NUMPY.value:
        return SubjectName(name, SubjectKind.NUMPY)
    if name in _ROWS:
        row, mode = _ROWS[name]
        return SubjectName(name, SubjectKind.FRAMEWORK, row.name, mode)
    if name in BRIDGES:
        return SubjectName(name, SubjectKind.FACTORY, target=BRIDGES[name])
    framework = name.partition("[")[0]
    if re.fullmatch(r"\w+\[[^\]]*\]", name) and framework in BUILTIN:
        modes = [known for known in BUILTIN if known.partition("[")[0] == framework]
        raise UnknownSubjectError(
            f"subject {name!r}: {framework} has no such mode; there are {', '.join(modes)}"
        )
    scheme, _, rest = name.partition(":")
    if scheme == "process" and rest.strip():
        return SubjectName(name, SubjectKind.PROCESS, target=rest.strip())
    if scheme == "torch" and re.fullmatch(r"\w+(\.\w+)+|.+\.py:\w+(\.\w+)*", rest):
        return SubjectName(name, SubjectKind.TORCH_CLASS, target=rest)
    if scheme == "bridge":
        suggestion = "".join(f"; did you mean {near}?" for near in get_close_matches(name, BRIDGES, 1))
        raise UnknownSubjectError(
            f"subject {name!r} is unknown{suggestion or ';'} the bridges are {', '.join(BRIDGES)}"
        )
    module, _, attribute = name.rpartition(":")
    is_module = module.endswith(".py") or re.fullmatch(r"\w+(\.\w+)*", module)
    if is_module and re.fullmatch(r"\w+(\.\w+)*", attribute):
        return SubjectName(name, SubjectKind.FACTORY, target=name)
    suggestion = "".join(f"; did you mean {near}?" for near in get_close_matches(name, BUILTIN, 1))
    raise UnknownSubjectError(
        f"subject {name!r} is unknown{suggestion or ';'} right is one of {', '.join(BUILTIN)}, package.module:factory, "
        "path/to/file.py:factory, torch:package.module.Class, torch:path/to/file.py:Class or process:COMMAND"
    )


def open_adapter(start: Start) -> Adapter:
    """Open the adapter of the subject that a `start` names, in this process.

    Raises:
        UnknownSubjectError: there is no subject of that name, or what it names is not an Adamax.
        UnavailableError: its framework, module, file or attribute is not here.
        UnsupportedDeviceError: it does not run on that device here.
    """
    named = parse_name(start.subject)
    framework: Adapter
    match named.kind:
        case SubjectKind.FRAMEWORK:
            row, mode = _ROWS[named.name]
            framework = row.import_adapter()(start.device, mode)
            return framework
        case SubjectKind.TORCH_CLASS:
            row, _ = _ROWS["torch"]
            torch_adapter = row.import_adapter()
            optimizer = _load_torch_class(named, start.path)
            framework = torch_adapter(start.device, optimizer_class=optimizer)
            _name_state(framework, optimizer, start)
            return framework
        case SubjectKind.PROCESS:
            raise UnavailableError(f"{named.name} runs in a process of its own")
        case SubjectKind.NUMPY:
            from ..adamax.optimizer import Adamax

            adapter: Adapter = FactoryAdapter(Adamax, _NUMPY_DTYPES)
        case SubjectKind.FACTORY:
            factory = (
                _load_bridge(named) if named.name in BRIDGES else _load_factory(named.target, start.path)
            )
            if is_torch_optimizer(factory):
                raise UnknownSubjectError(
                    f"{named.name} is a torch.optim.Optimizer, and no factory over NumPy arrays; "
                    f"check it as {_torch_spelling(named.target)}"
                )
            adapter = FactoryAdapter(factory)
            _name_state(adapter, factory, start)
    if start.device != "cpu":
        raise UnsupportedDeviceError(
            f"{named.name} computes on NumPy arrays, so on the cpu, not on {start.device}"
        )
    return adapter


def _name_state(adapter: Adapter, made: Callable[..., Any], start: Start) -> None:
    """Set the names of m and u: the request's, or those that the code states."""
    names = start.state or getattr(made, "state_names", None)
    if names is None:
        return
    match tuple(names):
        case (str(m), str(u)):
            adapter.state_names = (m, u)
        case _:
            raise UnknownSubjectError(
                f"state_names of {start.subject} is {names!r}; want two names, of m and of u"
            )


def is_torch_optimizer(made: Callable[..., Any]) -> bool:
    """Whether it is a class derived from `torch.optim.Optimizer`."""
    ancestors = made.__mro__ if isinstance(made, type) else ()
    return any(each.__name__ == "Optimizer" and each.__module__.startswith("torch.") for each in ancestors)


def _torch_spelling(target: str) -> str:
    """The name of a torch class that was spelled as a factory."""
    source, _, attribute = target.rpartition(":")
    return f"torch:{target}" if source.endswith(".py") else f"torch:{source}.{attribute}"


def _load_torch_class(named: SubjectName, path: tuple[str, ...]) -> Callable[..., Any]:
    """The class of the user's own, by its file or its module.

    Raises:
        UnavailableError: it is not there.
        UnknownSubjectError: it cannot be an Adamax of torch.
    """
    if ".py:" in named.target:
        made = _load_factory(named.target, path)
    else:
        module, _, name = named.target.rpartition(".")
        made = _find_attribute(_import_module(module, path), name, module)
    if isinstance(made, type) and not is_torch_optimizer(made):
        raise UnknownSubjectError(
            f"{named.name} is a class, and not derived from torch.optim.Optimizer; "
            "check an optimizer over NumPy arrays as package.module:factory or path/to/file.py:factory"
        )
    lacking = [name for name in ("betas", "eps") if name not in signature_arguments(made)]
    if len(lacking) > 1:
        raise UnknownSubjectError(
            f"{named.name} has neither betas nor eps, so it is not an Adamax; "
            "name a class whose constructor takes lr, betas and eps"
        )
    return made


def _load_factory(target: str, path: tuple[str, ...]) -> Callable[..., Any]:
    source, _, attribute = target.rpartition(":")
    module = _load_file(source, path) if source.endswith(".py") else _import_module(source, path)
    return _find_attribute(module, attribute, source)


def _load_bridge(named: SubjectName) -> Callable[..., Any]:
    """The class of a bridge.

    Raises:
        UnavailableError: its package is missing, with the command that installs it.
    """
    module, _, attribute = named.target.partition(":")
    try:
        return _find_attribute(importlib.import_module(module), attribute, module)
    except ImportError as error:
        reason = " ".join(str(error).split())[:300]
        packages = " ".join(REQUIREMENTS[module.rpartition(".")[2]])
        raise UnavailableError(
            f"{named.name} is not here ({reason}); get it with: {sys.executable} -m pip install {packages}"
        ) from None


def _prepend_to_path(path: tuple[str, ...]) -> None:
    """Put folders first in the search path of modules."""
    sys.path[:0] = [folder for folder in path if folder not in sys.path]


def _import_module(name: str, path: tuple[str, ...]) -> ModuleType:
    _prepend_to_path(path)
    with _report_import_errors(f"module {name}"):
        return importlib.import_module(name)


def _load_file(source: str, path: tuple[str, ...]) -> ModuleType:
    file = next((f for folder in (*path, "") if (f := Path(folder, source)).is_file()), None)
    if file is None:
        raise UnavailableError(f"file {source} is not there")
    _prepend_to_path((*path, str(file.resolve().parent)))
    # Its own name could be that of another module: a file called numpy.py.
    name = f"_subject_{file.stem}"
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with _report_import_errors(f"file {source}"):
        spec.loader.exec_module(module)
    return module


@contextmanager
def _report_import_errors(what: str) -> Iterator[None]:
    try:
        yield
    except (Exception, SystemExit) as error:
        raise UnavailableError(f"{what} cannot be imported: {type(error).__name__}: {error}") from error


def _find_attribute(module: ModuleType, attribute: str, source: str) -> Callable[..., Any]:
    found: Any = module
    for name in attribute.split("."):
        if not hasattr(found, name):
            raise UnavailableError(f"{source} has no attribute {attribute!r}")
        found = getattr(found, name)
    if not callable(found):
        raise UnavailableError(
            f"{source}:{attribute} is {type(found).__name__}; want something that can be called"
        )
    return found  # type: ignore[no-any-return]
