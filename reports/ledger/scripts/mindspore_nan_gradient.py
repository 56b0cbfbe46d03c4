"""MindSpore's amax on a CPU drops a NaN in the second place: u hides it."""

import math
import sys

import mindspore as ms

theta = ms.Parameter(ms.Tensor([1.0, 1.0], ms.float32), name="theta")
optimizer = ms.experimental.optim.Adamax([theta], lr=0.1)
optimizer((ms.Tensor([float("nan"), 0.5], ms.float32),))
numbers = [float(x.asnumpy()[0]) for x in (theta, optimizer.exp_inf[0])]
print(f"theta and u = {numbers}; both must be NaN")
if not all(map(math.isnan, numbers)):
    sys.exit("diverges: a NaN gradient is lost")
