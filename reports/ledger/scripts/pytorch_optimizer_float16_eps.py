"""pytorch_optimizer.AdaMax: eps=1e-8 is 0 in float16, and 0/0 is NaN."""

import sys

import pytorch_optimizer
import torch

theta = torch.full((2,), 1.5, dtype=torch.float16, requires_grad=True)
theta.grad = torch.zeros_like(theta)
pytorch_optimizer.AdaMax([theta]).step()
print(theta.tolist())
if theta.tolist() != [1.5, 1.5]:
    sys.exit("diverges: a zero gradient from a zero state must leave theta alone")
