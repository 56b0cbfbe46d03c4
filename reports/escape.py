"""Escape text from outside, so that it stays text in every format of the report.

A record may come from another machine, and its names, reasons and values from the subject under test. Every
writer of the report passes them through `visible` first, and then through the escape of its own format: here
for Markdown, CSV, TOML and the terminal; jinja2's autoescape for HTML, ElementTree's for XML, rich's `Text` for
the terminal's markup.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_KEPT: Final = "\n\t"
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
"""Unicode's categories of characters that have no glyph, or change the text around them: controls, formats (among
them the overrides of direction), surrogates, private and unassigned code points, line and paragraph separators."""

_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()#+\-.!|~=\"'^$])")
_LINKED: Final = re.compile(r"(@|\\#|\bgh(?=\\-)|:(?=//)|\bwww(?=\\\.))", re.IGNORECASE)
_BACKTICKS: Final = re.compile("`+")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""Characters that spreadsheets take for the start of a formula, the full-width forms included."""


_COMMAND: Final = re.compile(r"(?<!\S)(?=::)|(?<=##)(?=\[)")
"""Where GitHub's runner takes a line for a command of its own: `::name::` at a line's start, `##[name]` anywhere."""


def visible(text: str) -> str:
    r"""The text with characters without a glyph written out, as `\x1b` or `\u202e`.

    Line breaks and tabs stay.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        c if c in _KEPT or unicodedata.category(c) not in _HIDDEN else c.encode("unicode_escape").decode()
        for c in text
    )


def one_line(text: str, limit: int | None = None) -> str:
    """The visible text on one line, cut to `limit` characters with an ellipsis."""
    joined = " ".join(visible(text).split())
    if limit is not None and len(joined) > limit:
        return joined[: limit - 1] + "…"
    return joined


def terminal_text(text: str) -> str:
    r"""The text for a terminal, line breaks kept.

    What a CI would take for a command gets a backslash.
    """
    return _COMMAND.sub(r"\\", visible(text))


def terminal_line(text: str, limit: int | None = None) -> str:
    """The text on one line of a terminal."""
    return terminal_text(one_line(text, limit))


def github_error(text: str, title: str) -> str:
    """A line that GitHub's runner shows as an error of the run.

    No text can end the line, or add a property to it.
    """

    def escaped(value: str) -> str:
        return one_line(value, 4000).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")

    return f"::error title={escaped(title).replace(':', '%3A').replace(',', '%2C')}::{escaped(text)}"


def toml(document: str) -> str:
    r"""A document of TOML whose strings have escapes for characters without a glyph.

    Such an escape is `\u202E`.

    Args:
        document: as a writer of TOML made it, with all strings in double quotes. Such characters cannot stand
            anywhere else in it.
    """
    return "".join(
        c if c == "\n" or unicodedata.category(c) not in _HIDDEN else _toml_escape(c) for c in document
    )


def _toml_escape(character: str) -> str:
    code = ord(character)
    if unicodedata.category(character) == "Cs":
        return "\ufffd"  # half a surrogate pair has no escape in TOML
    return f"\\u{code:04X}" if code < 1 << 16 else f"\\U{code:08X}"


def markdown(text: str, limit: int | None = None) -> str:
    """The text on one line of Markdown, without markup, HTML, mention or link.

    Empty comments break what GitHub links once the backslashes are gone (`@name`, `#1`, `GH-1`, `https://`,
    `www.`).
    """
    shown = one_line(text, limit).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _LINKED.sub(r"\1<!-- -->", _MARKDOWN.sub(r"\\\1", shown))


def markdown_code(text: str, limit: int | None = None) -> str:
    """The text as a code span on one line, fit for a table's cell too."""
    shown = one_line(text, limit)
    if not shown:
        return ""
    longest = max((len(run) for run in _BACKTICKS.findall(shown)), default=0)
    fence = "`" * (longest + 1)
    space = " " if longest else ""
    return f"{fence}{space}{shown}{space}{fence}".replace("|", "\\|")


def markdown_block(text: str, language: str = "") -> str:
    """The text as a fenced block of code, line breaks kept."""
    shown = visible(text)
    longest = max((len(run) for run in _BACKTICKS.findall(shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{shown}\n{fence}"


def csv_cell(text: str) -> str:
    """The text as a spreadsheet's cell on one line, an apostrophe before a formula.

    Spreadsheets look for a formula behind any kind of space, so the apostrophe stands before those too.
    """
    shown = " ".join(visible(text).splitlines())
    if shown.lstrip().startswith(_FORMULA) and not _is_number(shown):
        return f"'{shown}"
    return shown


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
