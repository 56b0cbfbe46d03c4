"""mindspore.experimental.optim.Adamax refuses lr=0; its page promises ValueError only below 0."""

import sys

import mindspore as ms

for lr in (0.0, 0):
    try:
        ms.experimental.optim.Adamax([ms.Parameter(ms.ops.zeros(2))], lr=lr)
    except ValueError as error:
        sys.exit(f"diverges: lr={lr!r}: {error}")
