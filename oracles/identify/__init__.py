"""The identification of a subject's rule, form of the moment and scalar precision."""
