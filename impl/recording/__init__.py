"""Recording: every number that an optimizer's steps read and wrote, in files that can be audited anywhere."""

from .recorder import record

__all__ = ["record"]
