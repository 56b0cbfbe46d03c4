"""Verdicts and headers for the tests of the reports, with hostile texts."""

from __future__ import annotations

from typing import Any

from adamax_conformance.oracles.verdict import Divergence, Quantity, Status, Verdict
from adamax_conformance.reference.case import Case, Group, Parameter
from adamax_conformance.reference.hyperparameters import Hyperparameters
from adamax_conformance.reports.record.record import Header

HOSTILE = (
    "<script>alert(1)</script>",
    "</td></tr></table><img src=x onerror=alert(1)>",
    '" onmouseover="alert(1)" x="',
    "' onfocus='alert(1)' autofocus='",
    "javascript:alert(1)",
    "]]><evil/>&amp;&lt;",
    "{{ 7*7 }}{% raw %}",
    "[link](https://evil.example) ![image](https://evil.example/x.png)",
    "https://evil.example/ www.evil.example @someone #1 GH-1",
    "`code` ``two`` *bold* _under_ ~~gone~~ <b>html</b>",
    "# heading\n\n- list\n1. item\n> quote\n***\n| a | b |\n|---|---|",
    "```\nfence\n```",
    "\x1b[31mred\x1b]0;title\x07\x9b2J\x08\r",
    "a\x00b\x0bc\x7fd\x85e\u2028f\ufeff",
    "\u202eright to left\u2066\u200b",
    "\ud800 lone \udfff",
    "=cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "+1-1",
    "[bold red]markup[/] [link=https://evil.example]x[/link] :smile:",
    "--> <!-- x --> <![CDATA[ x",
    "a" * 5000,
)


def case(name: str = "pinned", **options: Any) -> Case:
    """One parameter of two elements, three steps."""
    parameter = Parameter.of([1.0, -2.0], [[0.5, 0.25], [0.0, -0.125], [3.0, 1e-3]])
    return Case(name, (Group(Hyperparameters(**options), (parameter,)),))


def divergence(**changes: Any) -> Divergence:
    """An error of 3 ulp in theta, above its bound."""
    values: dict[str, Any] = {
        "quantity": Quantity.THETA,
        "reason": "theta is 3 ulp from the exact value, 1.5 times what rounding explains",
        "expected": "0.99800002574920654",
        "actual": "0.99800020456314087",
        "expected_hex": "0x1.fef9dc0000000p-1",
        "actual_hex": "0x1.fef9e20000000p-1",
        "error_ulp": 3.0,
        "error_over_bound": 1.5,
        "bound": "1.19e-07",
        "step": 3,
        "parameter": 0,
        "element": (1,),
        "case": case().to_json(),
    }
    return Divergence(**(values | changes))


def verdict(status: Status = Status.CONFORMS, check: str = "value/lockstep/theta", **changes: Any) -> Verdict:
    """A verdict with the fields that its status needs."""
    values: dict[str, Any] = {"subject": "torch", "dtype": "float32", "device": "cpu", "since": "0.1.0"}
    if status in {Status.DIVERGES, Status.KNOWN}:
        values["divergence"] = divergence()
        values["reproduce"] = "adamax-conformance check torch --dtype float32 --check lockstep"
    if status is not Status.CONFORMS:
        values["reason"] = f"a reason why this is {status.value}"
    return Verdict(check, status, **(values | changes))


def one_of_each() -> tuple[Verdict, ...]:
    """A verdict of every status."""
    return tuple(verdict(status, check=f"value/{status.value}") for status in Status)


def header(**changes: Any) -> Header:
    """A header as a real run writes it."""
    values: dict[str, Any] = {
        "suite_version": "0.1.0",
        "created": "2026-01-02T03:04:05+00:00",
        "seed": 1,
        "platform": {"system": "Linux", "machine": "x86_64"},
        "versions": {"python": "3.11.9", "numpy": "2.4.0", "mpmath": "1.3.0"},
        "subjects": ({"name": "torch", "framework": "torch", "version": "2.13.0"},),
    }
    return Header(**(values | changes))
