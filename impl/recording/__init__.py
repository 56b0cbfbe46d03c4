"""Recording of the numbers that an optimizer's steps read and wrote.

The files can be audited anywhere.
"""

from .recorder import record

__all__ = ["record"]
