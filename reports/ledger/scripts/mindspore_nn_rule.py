"""mindspore.nn.AdaMax adds eps to the denominator, as documented, not to |g|."""

import sys

import mindspore as ms

theta = ms.Parameter(ms.Tensor([0.0], ms.float32), name="theta")
optimizer = ms.nn.AdaMax([theta], 1.0, beta1=0.5, beta2=0.5, eps=1.0)
for gradient in (2.0, 0.0):
    optimizer((ms.Tensor([gradient], ms.float32),))
u = float(optimizer.moment2[0].asnumpy()[0])
print(f"u = {u}; max(beta2*u, |g| + eps) is 1.5")
if u != 1.5:
    sys.exit("diverges: it is max(beta2*u, |g|)")
