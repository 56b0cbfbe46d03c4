"""The rule that a subject follows, as verdicts, notation and a demonstration."""
