"""The packages of the wheel: every package in the five rooms, but tests/meta."""

from setuptools import find_packages, setup

ROOMS = ("reference", "oracles", "impl", "reports", "tests")

packages = [
    *ROOMS,
    *(f"{room}.{name}" for room in ROOMS for name in find_packages(room, exclude=["meta", "meta.*"])),
]
setup(
    packages=[f"adamax_conformance.{name}" for name in packages],
    package_dir={f"adamax_conformance.{room}": room for room in ROOMS},
)
