"""What is run: the conformance suite (`conformance`), which ships, and the tests of the kit itself."""
