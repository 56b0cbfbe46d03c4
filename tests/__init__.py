"""The conformance suite, which ships, and the tests of this package (`meta`)."""
