"""Recording of the numbers that an optimizer's steps read and wrote.

The files can be audited anywhere.
"""

from .arrays import record_arrays
from .recorder import record
from .updates import record_updates

__all__ = ["record", "record_arrays", "record_updates"]
