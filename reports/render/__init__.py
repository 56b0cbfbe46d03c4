"""What is rendered from a record: HTML, Markdown, JUnit, CSV, terminal and plots."""
