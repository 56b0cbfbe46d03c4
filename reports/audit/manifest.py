"""The manifest of a recording: its header, its steps, and what is damaged.

Damage is named and kept, and the rest is read: only a folder without a readable header is refused.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from itertools import islice
from pathlib import Path
from typing import Any, Final

from jsonschema import Draft202012Validator

from ...impl.recording.format import FORMAT, MANIFEST, PARTIAL_SUFFIX, chain_digest, file_name
from ..escape import one_line
from ..untrusted import (
    LARGEST_MANIFEST,
    UntrustedError,
    find_mismatch,
    parse_json,
    read_file,
    shorten,
    validator,
)

_SHOWN: Final = 20
"""How many missing steps are named."""


class NotARecordingError(Exception):
    """The folder holds no recording that this version can read.

    The message says why, and what would be right.
    """

    def __init__(self, message: str) -> None:
        super().__init__(shorten(message))


@dataclass(frozen=True, order=True)
class Damage:
    """A part of a recording that is missing, or not as it was written.

    Attributes:
        file: its name in the recording.
        what: one sentence.
    """

    file: str
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


@dataclass(frozen=True)
class ManifestEntry:
    """A recorded step as the manifest lists it.

    Attributes:
        number: among the recorded steps, from 1.
        size: of its file, in bytes.
        header: SHA-256 of the file up to its first tensor.
        is_base: whether it only has the state before the step after it, since the step before it was dropped.
    """

    number: int
    size: int
    header: str
    is_base: bool = False

    @property
    def file(self) -> str:
        """The name of its file."""
        return file_name(self.number)


@dataclass(frozen=True)
class SkippedStep:
    """A step that changed neither the state nor the optimizer's count.

    Attributes:
        after: the number of the recorded step before it; 0 for none.
        finite: whether all its gradients were finite.
    """

    after: int
    finite: bool


@dataclass(frozen=True)
class Manifest:
    """The contents of a recording's manifest.

    Attributes:
        folder: of the recording.
        facts: the header: subject, framework, version, device, chunk, ...
        steps: by their numbers, in order.
        ended: the exception that ended the training; empty for none; None where the recording has no end.
        stopped: the error that ended the recording before the training; empty for none.
        skipped: of each step that did nothing, the recorded step before it and whether its gradients were finite.
        remains: what a recording that was cut off leaves, besides its whole steps.
        dropped: how many steps before those were removed, since the recorder kept the last ones.
        tensors: names, numbers or patterns of the tensors that are judged; empty for all.
        digest: the chain's last link: another recording has another.
        damages: what is wrong with it.
    """

    folder: Path
    facts: Mapping[str, Any]
    steps: Mapping[int, ManifestEntry]
    ended: str | None
    digest: str
    damages: tuple[Damage, ...]
    stopped: str = ""
    skipped: tuple[SkippedStep, ...] = ()
    remains: tuple[Damage, ...] = ()
    dropped: int = 0
    tensors: tuple[str, ...] = ()

    @property
    def judged(self) -> list[int]:
        """The numbers of the steps that can be judged."""
        return sorted(number for number, entry in self.steps.items() if not entry.is_base)


def read_manifest(folder: str | Path) -> Manifest:
    """Read the manifest of a recording.

    Raises:
        NotARecordingError: the folder or the header of its manifest cannot be read.
    """
    folder = Path(folder) if isinstance(folder, str) else folder
    try:
        content = read_file(folder / MANIFEST, LARGEST_MANIFEST, follow=False)
        present = sorted(entry.name for entry in folder.iterdir())
    except UntrustedError as error:
        raise NotARecordingError(f"{folder / MANIFEST} {error}") from error
    except OSError as error:
        reason = f"{error.strerror}; want a folder that adamax_conformance.impl.recording.record wrote"
        if own := sorted(path.parent.name for path in folder.glob(f"*/{MANIFEST}")):
            shown = ", ".join(own[:_SHOWN]) + (", ..." if len(own) > _SHOWN else "")
            reason = f"{error.strerror}; it has the recordings {shown}: name one of them"
        raise NotARecordingError(f"{folder / MANIFEST} cannot be read: {reason}") from error
    reader = _ManifestReader()
    lines = content.split(b"\n")
    cut = lines.pop()  # empty where the last line is whole
    for number, raw in enumerate(lines, start=1):
        reader.read(number, raw)
    if reader.header is None:
        raise NotARecordingError(
            f"{folder / MANIFEST} has no header that can be read: "
            + "; ".join(damage.what for damage in reader.damages[:1] or [Damage("", "it is empty")])
        )
    remains: list[Damage] = []
    if cut:
        remains.append(Damage(MANIFEST, f"line {len(lines) + 1} is cut off after {len(cut)} bytes"))
    unlisted = list(_unlisted_files(present, {*reader.steps, *reader.dropped}))
    # A kill leaves at most the file of the next step, without its line.
    following = file_name(max(reader.steps, default=0) + 1)
    if reader.dropped and (base := reader.steps.get(max(reader.dropped) + 1)) is not None:
        reader.steps[base.number] = replace(base, is_base=True)
    remains += [
        damage for damage in unlisted if damage.file.startswith((following, MANIFEST + PARTIAL_SUFFIX))
    ]
    damages = [*reader.damages, *_missing_steps(reader.steps, reader.dropped, reader.end)]
    damages += [damage for damage in unlisted if damage not in remains]
    if reader.end is not None:
        damages, remains = [*damages, *remains], []
    return Manifest(
        folder,
        reader.header,
        reader.steps,
        None if reader.end is None else str(reader.end["ended"]),
        reader.chain,
        tuple(damages),
        "" if reader.end is None else str(reader.end.get("stopped", "")),
        tuple(reader.skipped),
        tuple(remains),
        len(reader.dropped),
    )


@dataclass
class _ManifestReader:
    """Reads a manifest line by line."""

    header: Mapping[str, Any] | None = None
    end: Mapping[str, Any] | None = None
    steps: dict[int, ManifestEntry] = field(default_factory=dict)
    dropped: set[int] = field(default_factory=set)
    skipped: list[SkippedStep] = field(default_factory=list)
    damages: list[Damage] = field(default_factory=list)
    chain: str = ""

    def damage(self, what: str) -> None:
        self.damages.append(Damage(MANIFEST, shorten(what)))

    def read(self, number: int, raw: bytes) -> None:
        """Read one line, or note what is wrong with it."""
        try:
            line = parse_json(raw)
        except UntrustedError as error:
            self.damage(f"line {number} is not JSON ({one_line(str(error), 100)})")
            return
        kind = line.get("kind") if isinstance(line, dict) else None
        if not isinstance(kind, str) or kind not in {"recording", "step", "skipped", "dropped", "end"}:
            self.damage(f"line {number} is not a line of a recording")
            return
        if kind == "recording" and isinstance(line.get("format"), int) and line["format"] > FORMAT:
            self.damage(
                f"line {number}: the format {line['format']} is newer than {FORMAT}; upgrade adamax-conformance"
            )
            return
        if wrong := find_mismatch(_validator(kind), line):
            self.damage(f"line {number}: {wrong}")
            return
        link = chain_digest({k: v for k, v in line.items() if k != "chain"}, self.chain)
        if link != line["chain"]:
            self.damage(f"line {number} was changed, or does not belong after the line before it")
        self.chain = line["chain"]
        self._take(number, kind, line)

    def _is_known(self, number: int) -> bool:
        return number in self.steps or number in self.dropped

    def _is_oldest(self, number: int) -> bool:
        """Whether a step is the first of those that are there."""
        return number in self.steps and number == len(self.dropped) + 1

    def _take(self, number: int, kind: str, line: Mapping[str, Any]) -> None:
        match kind:
            case "recording" if self.header is None and number == 1:
                self.header = line
            case "step" if line["file"] != file_name(line["number"]):
                self.damage(f"line {number} belongs to {file_name(line['number'])}, and names {line['file']}")
            case "step" if self.end is None and not self._is_known(line["number"]):
                self.steps[line["number"]] = ManifestEntry(line["number"], line["bytes"], line["header"])
            case "skipped" if self.end is None and line["after"] == next(reversed(self.steps), 0):
                self.skipped.append(SkippedStep(line["after"], line["finite"]))
            case "dropped" if self.end is None and self._is_oldest(line["number"]):
                del self.steps[line["number"]]
                self.dropped.add(line["number"])
            case "end" if self.end is None:
                self.end = line
            case _:
                self.damage(f"line {number}, of the kind {kind}, does not belong here")


def _missing_steps(
    steps: Mapping[int, ManifestEntry], dropped: Collection[int], end: Mapping[str, Any] | None
) -> Iterator[Damage]:
    last = max(steps, default=0)
    # The largest number may be any: what is looped over is bounded by the lines that are there.
    lost = list(islice((n for n in range(1, last + 1) if n not in steps and n not in dropped), _SHOWN))
    yield from (Damage(file_name(n), "the manifest has no line for it") for n in lost)
    if (more := last - len(steps) - len(dropped) - len(lost)) > 0:
        yield Damage(MANIFEST, f"and {more} more steps have no line")
    if end is not None and end["steps"] != last:
        yield Damage(MANIFEST, f"its end counts {end['steps']} steps; it lists {last}")


def _unlisted_files(present: list[str], steps: Collection[int]) -> Iterator[Damage]:
    ours = {MANIFEST, *map(file_name, steps)}
    for name in present:
        if name.endswith(PARTIAL_SUFFIX):
            yield Damage(name, "a file that was being written when the recording stopped")
        elif name not in ours and not name.startswith("."):
            yield Damage(name, "a file that the manifest does not list")


@cache
def _validator(definition: str) -> Draft202012Validator:
    whole = schema()
    return validator({"$ref": f"#/$defs/{definition}", "$defs": whole["$defs"]})


def schema() -> dict[str, Any]:
    """The JSON Schema of a recording's lines and descriptions."""
    text = resources.files("adamax_conformance.impl").joinpath("schema/recording.schema.json")
    result: dict[str, Any] = json.loads(text.read_text(encoding="utf-8"))
    return result
