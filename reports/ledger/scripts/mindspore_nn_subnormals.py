"""mindspore.nn.AdaMax on a CPU flushes a subnormal moment at its first step."""

import sys

import mindspore as ms
import numpy as np

tiny = np.finfo(np.float32).tiny
theta = ms.Parameter(ms.Tensor([0.0], ms.float32), name="theta")
optimizer = ms.nn.AdaMax([theta], 0.5, beta1=0.5, beta2=0.5, eps=4 * float(tiny))
for t in range(1, 7):
    optimizer((ms.Tensor(np.array([tiny / 2]), ms.float32),))
    m = optimizer.moment1[0].asnumpy()[0] / tiny
    print(f"step {t}: m = {m} smallest normal numbers; it should be {(1 - 0.5**t) / 2}")
    if m == 0:
        sys.exit("diverges: a subnormal m is flushed to zero")
