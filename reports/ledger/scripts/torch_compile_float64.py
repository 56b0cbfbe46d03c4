"""torch.optim.Adamax, compiled: 1 - beta1^t of float64 is of float32."""

import sys

import torch

theta, other = (torch.zeros(2, dtype=torch.float64, requires_grad=True) for _ in range(2))
optimizers = [torch.optim.Adamax([p], lr=0.125, betas=(0.999, 0.5)) for p in (theta, other)]
theta.grad, other.grad = (torch.ones(2, dtype=torch.float64) for _ in range(2))
torch.compile(optimizers[0].step)()
optimizers[1].step()
print(f"compiled {theta[0].item()!r}, as it is {other[0].item()!r}")
if abs(theta[0] / other[0] - 1) > 1e-12:
    sys.exit("diverges: the compiled step is off by more than float64 explains")
