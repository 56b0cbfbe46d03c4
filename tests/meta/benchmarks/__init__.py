"""How fast is our own Adamax, beside others and beside what the memory allows? `tox -e bench` runs it."""
