"""The parts that every check uses: its registration, context, target and budget."""
