"""mindspore.experimental.optim.Adamax refuses a float16 scalar parameter."""

import sys

import mindspore as ms

theta = ms.Parameter(ms.Tensor(1.0, ms.float16), name="theta")
optimizer = ms.experimental.optim.Adamax([theta], lr=0.1)
try:
    optimizer((ms.Tensor(0.5, ms.float16),))
except TypeError as error:
    print(error)
    sys.exit("diverges: no step")
