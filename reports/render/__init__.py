"""Renderings of a record: HTML, Markdown, JUnit, CSV, terminal and plots."""
