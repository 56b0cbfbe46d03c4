"""Tests of the rows of the audit's table, at sizes that take no time."""

from __future__ import annotations

import pytest

pytest.importorskip("numba")
pytest.importorskip("psutil")

from adamax_conformance.tests.meta.benchmarks.audit import in_memory, linear, recording_row


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_row_names_what_was_judged_and_how_fast(dtype) -> None:
    rows = [in_memory(dtype, 0.01, 1 << 13), linear(1 << 13), recording_row(1 << 10, dtype)]
    assert [len(row) for row in rows] == [5, 5, 5]
    assert all("million" in row[2] for row in rows)
