"""A headless Chromium without a network, driven by Selenium."""

from __future__ import annotations

import shutil
from pathlib import Path

ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--window-size=1280,1000",
)


def find_chromium():
    """The paths of the browser and of its driver; None where one is missing."""
    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    driver = shutil.which("chromedriver")
    return None if binary is None or driver is None else (binary, driver)


def start_chromium(binary: str, driver: str, profile: Path):
    """Start the browser, with a profile of its own."""
    from selenium import webdriver  # noqa: PLC0415 - one environment alone has it

    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in (*ARGUMENTS, f"--user-data-dir={profile}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    browser.set_script_timeout(600)  # axe-core takes as long as the machine is busy
    return browser


def prefer_colors(browser, mode: str) -> None:
    """Have pages shown `light` or `dark`."""
    features = [{"name": "prefers-color-scheme", "value": mode}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
