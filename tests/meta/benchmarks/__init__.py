"""The speed of our Adamax, relative to others and to the memory: `tox -e bench`."""
