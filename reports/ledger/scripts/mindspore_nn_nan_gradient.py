"""mindspore.nn.AdaMax on a CPU: u misses a NaN gradient, and steps go on."""

import math
import sys

import mindspore as ms

theta = ms.Parameter(ms.Tensor([1.0, 1.0], ms.float32), name="theta")
optimizer = ms.nn.AdaMax([theta])
optimizer((ms.Tensor([float("nan"), 0.5], ms.float32),))
u = float(optimizer.moment2[0].asnumpy()[0])
print(f"theta = {theta.asnumpy()[0]}, u = {u}; both must be NaN")
if not math.isnan(u):
    sys.exit("diverges: the maximum drops the NaN")
