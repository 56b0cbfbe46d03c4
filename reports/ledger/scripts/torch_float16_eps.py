"""torch.optim.Adamax: eps=1e-8 is 0 in float16, and a zero gradient gives 0/0."""

import sys

import torch

theta = torch.full((2,), 1.5, dtype=torch.float16, requires_grad=True)
theta.grad = torch.zeros_like(theta)
torch.optim.Adamax([theta]).step()
print(theta)
if theta.isnan().any():
    sys.exit("diverges: a zero gradient from a zero state must leave theta alone")
