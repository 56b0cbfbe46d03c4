"""mindspore.nn.AdaMax computes in float32 for float64, and rounds theta."""

import sys

import mindspore as ms

theta = ms.Parameter(ms.Tensor([0.1], ms.float64), name="theta")
optimizer = ms.nn.AdaMax([theta])
optimizer((ms.Tensor([0.0], ms.float64),))
print(f"theta was 0.1, and is {float(theta.asnumpy()[0])!r} after a zero gradient")
if theta.asnumpy()[0] != 0.1:
    sys.exit("diverges: theta is rounded to float32")
