"""Take the picture of a report that the README shows, in light and in dark.

`python -m adamax_conformance.tests.meta.browser.picture FOLDER` checks `my_optim.py`, opens the report in Chromium, and
writes `report-light.png` and `report-dark.png`. With `--report FOLDER` it opens one that is there.
"""

from __future__ import annotations

import argparse
import base64
import io
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from adamax_conformance.tests.meta.browser.chromium import find_chromium, prefer_colors, start_chromium
from PIL import Image

OPTIMIZER = Path(__file__).with_name("my_optim.py")
WIDTH = 1100
SCALE = 1.25
COLORS = 128
MARGIN = 6
MODES = ("light", "dark")


def check(folder: Path) -> Path:
    """Check the optimizer in a folder, and return that of the report."""
    shutil.copy(OPTIMIZER, folder)
    words = ["check", f"{OPTIMIZER.name}:MyAdamax", "--dtype", "float32", "--report", "report", "--quiet"]
    subprocess.run(
        [sys.executable, "-m", "adamax_conformance.reports.cli.main", *words], cwd=folder, check=False
    )
    return folder / "report"


def take(browser, report: Path, mode: str) -> Image.Image:
    """The page of a report from its top to the end of its causes."""
    prefer_colors(browser, mode)
    metrics = {"width": WIDTH, "height": 900, "deviceScaleFactor": SCALE, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    browser.get((report / "index.html").resolve().as_uri())
    end = browser.execute_script(
        "return document.getElementById('causes').closest('section').getBoundingClientRect().bottom + scrollY"
    )
    clip = {"x": 0, "y": 0, "width": WIDTH, "height": end + MARGIN, "scale": 1}
    found = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True, "clip": clip})
    return Image.open(io.BytesIO(base64.b64decode(found["data"])))


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--report", type=Path)
    arguments = parser.parse_args()
    found = find_chromium()
    if found is None:
        parser.error("there is no Chromium with its chromedriver here")
    with tempfile.TemporaryDirectory() as made:
        report = arguments.report or check(Path(made))
        browser = start_chromium(*found, Path(made) / "profile")
        try:
            for mode in MODES:
                picture = take(browser, report, mode).convert("RGB").quantize(COLORS)
                picture.save(arguments.folder / f"report-{mode}.png", optimize=True)
        finally:
            browser.quit()


if __name__ == "__main__":
    main()
