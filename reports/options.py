"""The options of the suite, for the command `check` and for the pytest plugin."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from typing import Any, Final

import click

from ..impl.protocol.messages import DTYPES
from ..impl.protocol.validation import ProtocolError, require_device

STATE_HELP: Final = "The names under which your own optimizer keeps m and u, as in m,u."


class StateNames(click.ParamType[tuple[str, ...]]):
    """The names of m and u, with a comma between them."""

    name = "names"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """The two names."""
        words = value if isinstance(value, tuple) else str(value).split(",")
        names = _Pair(word.strip() for word in words)
        if len(names) != len(("m", "u")) or not all(name.isidentifier() for name in names):
            self.fail(f"{value!r} is not two names, of m and of u, as in exp_avg,exp_inf", param, ctx)
        return names


class _Pair(tuple[str, ...]):
    """Names that are written as on the command line."""

    __slots__ = ()

    def __str__(self) -> str:
        return ",".join(self)


class DeviceName(click.ParamType[str]):
    """The name of a device in its framework, such as `cuda` or `cuda:1`."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The name."""
        try:
            return require_device(str(value))
        except ProtocolError as error:
            self.fail(str(error), param, ctx)


REPRODUCING: Final = (
    click.Option(
        ["--device"],
        type=DeviceName(),
        default="cpu",
        show_default=True,
        help="Where it runs, by the framework's own name: cuda, mps, xpu, cuda:1.",
    ),
    click.Option(
        ["--profile"],
        type=click.Choice(["quick", "full"]),
        default="quick",
        show_default=True,
        help="How much is drawn.",
    ),
    click.Option(["--seed"], type=int, metavar="N", help="Draw other cases than the usual ones."),
    click.Option(
        ["--known"],
        type=click.Path(),
        metavar="FILE",
        help="Your ledger of known divergences, added to the shipped one.",
    ),
    click.Option(
        ["--known-only"], type=click.Path(), metavar="FILE", help="A ledger instead of the shipped one."
    ),
    click.Option(
        ["--python"],
        metavar="PATH",
        help="The interpreter to run subjects in; it needs NumPy and the framework only.",
    ),
    click.Option(
        ["--state"],
        type=StateNames(),
        metavar="M,U",
        help=STATE_HELP,
    ),
    click.Option(
        ["--arithmetic"], type=click.Path(), metavar="FILE", help="The declared arithmetic of the device."
    ),
    click.Option(
        ["--documented-by"],
        type=click.Path(),
        metavar="FILE",
        help="What the documentation of your own optimizer promises, to hold it to that instead of the page.",
    ),
    click.Option(
        ["--timeout"],
        type=click.FloatRange(min=0, min_open=True),
        metavar="SECONDS",
        help="How long an answer may take; 60 by default.",
    ),
    click.Option(
        ["--in-process"], is_flag=True, help="Run subjects in this process, unprotected: for debugging."
    ),
)
"""Those that change a verdict, so that the command that reproduces it has them."""

OPTIONS: Final = (
    click.Option(
        ["--dtype"], type=click.Choice(DTYPES), multiple=True, help="float32 and float64 by default."
    ),
    *REPRODUCING,
    click.Option(["--suite"], metavar="VERSION", help="Only checks that this version of the suite had."),
    click.Option(
        ["--check"], multiple=True, metavar="GLOB", help="Only checks with such an id; several with commas."
    ),
    click.Option(["--skip"], multiple=True, metavar="GLOB", help="No checks with such an id; likewise."),
    click.Option(["--fail-fast"], is_flag=True, help="Stop at the first divergence, and do not shrink it."),
)


def add_to_pytest(add: Callable[..., None]) -> None:
    """Add every option to pytest as `--adamax-NAME`, by a group's `addoption`."""
    for option in OPTIONS:
        form: dict[str, Any] = {"action": "store_true"}
        if not option.is_flag:
            form = {"type": _parser(option), "default": _default(option), "metavar": option.metavar}
        if option.multiple:
            form |= {"action": "append", "default": []}
        add(f"--adamax-{_word(option)}", help=option.help, **form)


def pytest_arguments(values: Mapping[str, Any]) -> list[str]:
    """The arguments that pass the command's options on to pytest."""
    words = []
    for option in OPTIONS:
        value = values[str(option.name)]
        end = "" if option.is_flag else "={}"
        given = value if option.multiple else [value]
        words += [f"--adamax-{_word(option)}{end.format(v)}" for v in given if v not in (None, False)]
    return words


def reproducing_arguments(getoption: Callable[[str], Any]) -> list[str]:
    """The command's arguments that reproduce a verdict, from pytest's options."""
    words = []
    for option in REPRODUCING:
        value = getoption(f"--adamax-{_word(option)}")
        if value not in (None, False, _default(option)):
            words += [f"--{_word(option)}", *([] if option.is_flag else [str(value)])]
    return words


def _word(option: click.Option) -> str:
    return str(option.name).replace("_", "-")


def _default(option: click.Option) -> Any:
    return option.to_info_dict()["default"]


def _parser(option: click.Option) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return option.type.convert(text, None, None)
        except click.BadParameter as error:
            raise argparse.ArgumentTypeError(error.message) from error

    return parse
