"""mindspore.experimental.optim.Adamax: eps=1e-8 is 0 in float16, 0/0 is NaN."""

import sys

import mindspore as ms

theta = ms.Parameter(ms.Tensor([1.5], ms.float16), name="theta")
optimizer = ms.experimental.optim.Adamax([theta])
optimizer((ms.Tensor([0.0], ms.float16),))
print(theta.asnumpy())
if theta.asnumpy()[0] != 1.5:
    sys.exit("diverges: a zero gradient from a zero state must leave theta alone")
