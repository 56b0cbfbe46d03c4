"""mindspore.experimental.optim.Adamax refuses lr=0, which its page allows."""

import sys

import mindspore as ms

for lr in (0.0, 0):
    try:
        ms.experimental.optim.Adamax([ms.Parameter(ms.ops.zeros(2))], lr=lr)
    except ValueError as error:
        sys.exit(f"diverges: lr={lr!r}: {error}")
