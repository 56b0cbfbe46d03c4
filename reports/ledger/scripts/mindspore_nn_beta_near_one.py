"""mindspore.nn.AdaMax takes a beta1 that is 1 in float32, and its step fails."""

import sys

import mindspore as ms

optimizer = ms.nn.AdaMax([ms.Parameter(ms.ops.ones(2), name="theta")], beta1=1 - 2.0**-53)
try:
    optimizer((ms.ops.ones(2),))
except RuntimeError as error:
    sys.exit(f"diverges: RuntimeError: {str(error).splitlines()[0]}")
