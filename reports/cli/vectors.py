"""The golden trajectories: the commands `vectors generate` and `vectors validate`."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click
import jsonschema
from jsonschema.exceptions import best_match

from ... import reference
from ...oracles.golden import files
from ...reference.golden.cases import GOLDEN_CASES
from ..record.exit_codes import ExitCode
from ..record.record import write_file
from ..untrusted import UntrustedError, parse_json, read_file
from .errors import CommandError, make_folder, unwritten

PUBLISHED: Final = Path(reference.__file__).parent / "golden"
DIGESTED: Final = PUBLISHED
"""The folder whose digests hold for every folder that is written."""
_SCHEMAS: Final = ("golden.schema.json", "contract.schema.json")
_LONGEST: Final = 160
_LARGEST: Final = 1 << 26
"""Bytes of a file of golden trajectories: a hundred times the largest."""


@click.group()
def vectors() -> None:
    """Write the golden trajectories, or check files of them."""


@vectors.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder to write to.",
)
def generate(output: Path) -> int:
    """Write every file, byte for byte the same anywhere.

    Changing a published case is refused.
    """
    made = files.documents(GOLDEN_CASES)
    published = _digests(DIGESTED) | _digests(output)
    refused = list(files.find_forbidden_changes(published, made[files.DIGESTS]))
    for line in refused:
        click.echo(line, err=True)
    if refused:
        return int(ExitCode.DIVERGES)
    make_folder(output, "--output")
    try:
        for name, value in made.items():
            write_file(output / name, files.document_text(value).encode("ascii"))
    except OSError as error:
        raise unwritten(output, error) from error
    click.echo(f"{len(made[files.DIGESTS])} cases in {output}")
    return int(ExitCode.CONFORMS)


def _digests(folder: Path) -> dict[str, str]:
    """The digests that are published in a folder."""
    file = folder / files.DIGESTS
    if not file.exists():
        return {}
    try:
        value = _parse(file)
    except UnreadableError as error:
        raise CommandError(str(error)) from error
    if not all(isinstance(digest, str) for digest in value.values()):
        raise CommandError(f"{file}: want a digest for each id")
    return value


@vectors.command()
@click.argument("path", nargs=-1, required=True, type=click.Path(path_type=Path))
def validate(path: tuple[Path, ...]) -> int:
    """Check files against their schema and the oracle.

    PATH is a file, or a folder with such files.
    """
    code = ExitCode.CONFORMS
    for file in _files(path):
        try:
            wrong = list(problems(file))
        except UnreadableError as error:
            click.echo(str(error), err=True)
            code = ExitCode.USAGE
            continue
        for line in wrong:
            click.echo(f"{file}: {line}", err=True)
        if wrong:
            code = max(code, ExitCode.DIVERGES)
        else:
            click.echo(f"{file}: right")
    return int(code)


def _files(paths: tuple[Path, ...]) -> Iterator[Path]:
    for path in paths:
        if path.is_dir():
            found = [file for file in sorted(path.glob("*.json")) if file.name not in _SCHEMAS]
            if not found:
                raise CommandError(f"{path} has no file of golden trajectories; want some *.json")
            yield from found
        else:
            yield path


class UnreadableError(ValueError):
    """The file is not a file of golden trajectories; the message is one line."""


def problems(file: Path) -> Iterator[str]:
    """Check a file, and yield what is wrong with it.

    Raises:
        UnreadableError: it cannot be read, is not JSON, or does not fit its schema.
    """
    value = _parse(file)
    if file.name == files.DIGESTS:
        made = files.documents(GOLDEN_CASES)[files.DIGESTS]
        yield from files.find_forbidden_changes(value, made)
        for family in sorted({name.partition("/")[0] for name in value}):
            if not (file.parent / f"{family}.json").is_file():
                yield f"the cases of {_show(family)} are published, and their file is not there"
        return
    name = value.get("schema")
    if name not in _SCHEMAS:
        raise UnreadableError(f"{file}: schema is {_show(name)}; want one of {', '.join(_SCHEMAS)}")
    error = best_match(_validator(name).iter_errors(value))
    if error is not None:
        where = "".join(f"[{p}]" if isinstance(p, int) else f".{_show(p)}" for p in error.absolute_path)
        raise UnreadableError(
            f"{file}: at {_cut(where.lstrip('.') or 'the top')}: {_cut(ascii(error.message)[1:-1])}"
        )
    yield from files.find_errors(value)
    yield from _find_absent_cases(file, value)


def _find_absent_cases(file: Path, value: Mapping[str, Any]) -> Iterator[str]:
    """Find the cases of the file's family that its digests have, and the file lacks.

    The digests are the ones next to the file.
    """
    digests = file.with_name(files.DIGESTS)
    if "cases" in value and digests.exists():
        present = {case["id"] for case in value["cases"]}
        for name in _parse(digests):
            if name.partition("/")[0] == value["family"] and name not in present:
                yield f"case {_show(name)} is published, and is not there"


def _parse(file: Path) -> dict[str, Any]:
    try:
        value = parse_json(read_file(file, _LARGEST), object_pairs_hook=_no_repetition)
    except OSError as error:
        raise UnreadableError(f"{file} cannot be read ({error.strerror})") from None
    except UntrustedError as error:
        raise UnreadableError(f"{file} is not JSON: {_cut(ascii(str(error))[1:-1])}") from None
    if not isinstance(value, dict):
        raise UnreadableError(f"{file} holds {_show(value)}; want an object")
    return value


def _no_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key is there twice")
    return result


@functools.cache
def _validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads((PUBLISHED / name).read_text(encoding="utf-8")))


def _show(value: object) -> str:
    return _cut(ascii(value))


def _cut(words: str) -> str:
    return words if len(words) <= _LONGEST else words[: _LONGEST - 3] + "..."
