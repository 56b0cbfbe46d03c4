"""Scripts that reproduce a verdict with the subject alone."""
