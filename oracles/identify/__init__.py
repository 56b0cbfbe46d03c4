"""Identification: which rule, form of the moment and scalar precision a subject follows."""
