"""Damage recordings at random, in ways that an audit must name and refuse.

`python -m adamax_conformance.tests.meta.audit.damaging --count 1000` damages so many, and says which were not noticed.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
from adamax_conformance.impl.recording.format import MANIFEST, file_name
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reports.audit import run
from adamax_conformance.reports.cli.errors import CommandError
from adamax_conformance.reports.cli.main import cli
from adamax_conformance.reports.record.exit_codes import ExitCode
from adamax_conformance.reports.record.record import read_record
from adamax_conformance.tests.meta.audit import runs

STEPS = 5


def _file(rng, folder: Path) -> Path:
    return rng.choice(sorted(folder.iterdir()))


def _step(rng, folder: Path) -> Path:
    return folder / file_name(int(rng.integers(1, STEPS + 1)))


def flip_a_bit(rng, folder: Path, _other: Path) -> None:
    """Flip one bit of one file."""
    path = _file(rng, folder)
    content = bytearray(path.read_bytes())
    content[rng.integers(len(content))] ^= 1 << int(rng.integers(8))
    path.write_bytes(content)


def overwrite_some_bytes(rng, folder: Path, _other: Path) -> None:
    """Overwrite a stretch of one file with noise."""
    path = _file(rng, folder)
    content = bytearray(path.read_bytes())
    start = int(rng.integers(len(content)))
    noise = rng.bytes(min(64, len(content) - start))
    if content[start : start + len(noise)] == noise:
        noise = bytes(255 - b for b in noise)
    content[start : start + len(noise)] = noise
    path.write_bytes(content)


def truncate(rng, folder: Path, _other: Path) -> None:
    """Cut one file off."""
    path = _file(rng, folder)
    os.truncate(path, int(rng.integers(path.stat().st_size)))


def truncate_at_a_line(rng, folder: Path, _other: Path) -> None:
    """Cut the manifest off after a whole line."""
    lines = (folder / MANIFEST).read_bytes().splitlines(keepends=True)
    (folder / MANIFEST).write_bytes(b"".join(lines[: rng.integers(len(lines))]))


def extend(rng, folder: Path, _other: Path) -> None:
    """Append bytes to one file."""
    with _file(rng, folder).open("ab") as file:
        file.write(rng.bytes(int(rng.integers(1, 100))))


def delete(rng, folder: Path, _other: Path) -> None:
    """Delete one file."""
    _file(rng, folder).unlink()


def swap(rng, folder: Path, _other: Path) -> None:
    """Exchange the files of two steps."""
    one, two = (folder / file_name(int(n)) for n in rng.choice(np.arange(1, STEPS + 1), 2, replace=False))
    aside = folder / "aside"
    one.rename(aside)
    two.rename(one)
    aside.rename(two)


def take_another_run_s_step(rng, folder: Path, other: Path) -> None:
    """Replace a step's file by the whole one of another run."""
    path = _step(rng, folder)
    shutil.copyfile(other / path.name, path)


def take_another_run_s_manifest(_rng, folder: Path, other: Path) -> None:
    """Replace the manifest by that of another run."""
    shutil.copyfile(other / MANIFEST, folder / MANIFEST)


def add_a_foreign_file(rng, folder: Path, other: Path) -> None:
    """Add a file that the manifest does not list."""
    names = ["notes.txt", "model.safetensors", file_name(STEPS + 1), file_name(STEPS + 1) + ".part"]
    shutil.copyfile(_file(rng, other), folder / rng.choice(names))


def replace_by_a_foreign_file(rng, folder: Path, _other: Path) -> None:
    """Replace a file by one of another kind."""
    contents = [b"", b"PK\x03\x04", b"[]\n", b"null\n", b"\xff" * 5000, b'{"a": 1}\n' * 9, b"[" * 100_000]
    _file(rng, folder).write_bytes(contents[rng.integers(len(contents))])


def put_a_folder_in_its_place(rng, folder: Path, _other: Path) -> None:
    """Replace a file by a folder of its name."""
    path = _file(rng, folder)
    path.unlink()
    path.mkdir()


def alter_the_manifest(rng, folder: Path, _other: Path) -> None:
    """Change a value of the manifest, in valid JSON."""
    lines = [json.loads(line) for line in (folder / MANIFEST).read_text(encoding="utf-8").splitlines()]
    line = lines[rng.integers(len(lines))]
    key = rng.choice(sorted(line))
    values = ["", "other", 0, 7, -1, None, [], {}, True, 1e400, "\ud800"]
    new = [value for value in values if value != line[key]]
    line[key] = new[rng.integers(len(new))]
    (folder / MANIFEST).write_text("".join(json.dumps(x) + "\n" for x in lines), encoding="utf-8")


def move_a_line(rng, folder: Path, _other: Path) -> None:
    """Reorder the manifest's lines, delete one, or repeat one."""
    lines = (folder / MANIFEST).read_bytes().splitlines(keepends=True)
    place = int(rng.integers(1, len(lines)))
    match rng.integers(3):
        case 0:
            lines.insert(int(rng.integers(place)), lines.pop(place))
        case 1:
            del lines[place]
        case _:
            lines.insert(place, lines[place])
    (folder / MANIFEST).write_bytes(b"".join(lines))


def alter_a_description(rng, folder: Path, _other: Path) -> None:
    """Change a number of a step's description, in a well-formed header."""
    path = _step(rng, folder)
    content = path.read_bytes()
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    description = json.loads(header["__metadata__"]["step"])
    match rng.integers(5):
        case 0:
            description["groups"][0]["lr"] = (0.5).hex()
        case 1:
            description["parameters"][0]["t"] += 1
        case 2:
            description["checksums"]["theta.0"] = ["00000000"]
        case 3:
            del header["m.1"]
        case _:
            header["u.0"]["shape"] = [5, 7]
    header["__metadata__"]["step"] = json.dumps(description)
    text = json.dumps(header, separators=(",", ":")).encode().ljust(size)
    path.write_bytes(len(text).to_bytes(8, "little") + text + content[8 + size :])


WAYS: tuple[Callable[..., None], ...] = (
    flip_a_bit,
    overwrite_some_bytes,
    truncate,
    truncate_at_a_line,
    extend,
    delete,
    swap,
    take_another_run_s_step,
    take_another_run_s_manifest,
    add_a_foreign_file,
    replace_by_a_foreign_file,
    put_a_folder_in_its_place,
    alter_the_manifest,
    move_a_line,
    alter_a_description,
)


class Damaged:
    """Two small recordings of different runs, whose copies are damaged and audited."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.whole, self.other = folder / "whole", folder / "other"
        runs.ours(self.whole, steps=STEPS)
        runs.ours(self.other, steps=STEPS, lr=0.3)
        # What the optimizer is does not change with the damage, and finding it out takes most of an audit's time.
        identify_sample = run.identify_sample
        known: dict[str, object] = {}

        def once(sample, format_, arithmetic):
            if format_.dtype not in known:
                known[format_.dtype] = identify_sample(sample, format_, arithmetic)
            return known[format_.dtype]

        self.identify_sample = once

    def audit(self, way: Callable[..., None] | None, seed: int) -> str:
        """Damage a copy and audit it.

        Returns:
            Empty if the audit named the damage and did not accept it; else what was wrong with that.
        """
        copy, report = self.folder / "copy", self.folder / "report"
        for folder in (copy, report):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.whole, copy)
        if way is not None:
            way(np.random.default_rng(seed), copy, self.other)
        original, run.identify_sample = run.identify_sample, self.identify_sample
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                code = cli.main(
                    ["audit", str(copy), "--report", str(report), "--quiet"], standalone_mode=False
                )
        except CommandError as error:
            return "" if str(copy) in error.message else f"a message that names nothing: {error.message}"
        except Exception as error:  # noqa: BLE001 - a traceback is what is looked for
            return f"a traceback: {type(error).__name__}: {error}"
        finally:
            run.identify_sample = original
        said = next(v for v in read_record(report).verdicts if v.check == "audit/recording")
        if way is None:
            return "" if code == ExitCode.CONFORMS else f"exit {code}: {said.reason}"
        if code != ExitCode.DIVERGES or said.status is not Status.BROKEN or not said.measured["damages"]:
            return f"accepted with exit {code}: {said.status.value}: {said.reason}"
        lockstep = [v for v in read_record(report).verdicts if v.check.startswith("audit/lockstep")]
        if any(v.status is Status.DIVERGES for v in lockstep):
            return "damage was taken for a divergence"
        return ""


def main() -> int:
    """Damage some recordings, and print the damage that was not noticed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--count", type=int, default=1000)
    count = parser.parse_args().count
    missed: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        damaged = Damaged(Path(folder))
        for seed in range(count):
            way = WAYS[seed % len(WAYS)]
            if wrong := damaged.audit(way, seed):
                missed[way.__name__] += 1
                print(f"seed {seed}, {way.__name__}: {wrong}", file=sys.stderr)
    print(f"{count} damaged recordings, {missed.total()} not as they should be {dict(missed)}")
    return int(bool(missed))


if __name__ == "__main__":
    sys.exit(main())
