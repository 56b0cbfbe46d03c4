"""The picture of the README is there, is small, and says what it shows."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from adamax_conformance.reference.documentation import PAGE_ADDRESS
from adamax_conformance.tests.meta.browser.my_optim import MyAdamax

ROOT = Path(__file__).resolve().parents[3]
LARGEST = 120_000


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_the_readme_shows_a_small_picture(mode):
    name = f"reports/report-{mode}.png"
    assert f'="{name}"' in (ROOT / "README.md").read_text("utf-8")
    content = (ROOT / name).read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) < LARGEST


def test_the_picture_has_an_alternative_text():
    shown = (ROOT / "README.md").read_text("utf-8")
    (text,) = re.findall(r'<img alt="([^"]+)"', shown)
    assert "One cause explains" in text


def test_the_optimizer_of_the_picture_uses_a_rate_one_step_late():
    theta = np.zeros(1)
    optimizer = MyAdamax([theta], lr=1.0)
    optimizer.param_groups[0]["lr"] = 0.5
    optimizer([np.ones(1)])
    assert theta[0] == pytest.approx(-1.0)
    optimizer([np.ones(1)])
    assert theta[0] == pytest.approx(-1.5)


def test_the_readme_links_the_page_that_is_meant():
    assert f"[page]: {PAGE_ADDRESS}" in (ROOT / "README.md").read_text("utf-8")
