"""MindSpore, float64: lr is float32, as is a parameter in compiled code."""

import sys

import mindspore as ms

theta = ms.Parameter(ms.Tensor([0.0], ms.float64), name="theta")
optimizer = ms.experimental.optim.Adamax([theta], lr=0.5, betas=(0.5, 0.5), eps=2.0**-30)
for gradient in (1.0, 0.0):
    optimizer((ms.Tensor([gradient], ms.float64),))
u = optimizer.exp_inf[0].asnumpy()[0]
print(f"u = {u!r}, should be {0.5 * (1 + 2.0**-30)!r}")
if u != 0.5 * (1 + 2.0**-30):
    sys.exit("diverges: half of u is taken of u in float32")
