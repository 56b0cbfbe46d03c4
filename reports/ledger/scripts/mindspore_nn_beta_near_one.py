"""mindspore.nn.AdaMax keeps beta1 in float32: a beta1 that rounds to 1 there is taken, and the step fails."""

import sys

import mindspore as ms

optimizer = ms.nn.AdaMax([ms.Parameter(ms.ops.ones(2), name="theta")], beta1=1 - 2.0**-53)
try:
    optimizer((ms.ops.ones(2),))
except RuntimeError as error:
    sys.exit(f"diverges: RuntimeError: {str(error).splitlines()[0]}")
