"""`python -m adamax_conformance.reports.cli`."""

from .main import main

main()
