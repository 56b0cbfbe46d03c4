"""torch.optim.Adamax, differentiable: its state cannot be copied."""

import copy
import sys

import torch

theta = torch.ones(2, requires_grad=True).clone()
theta.grad = torch.ones(2, requires_grad=True) * 0.5
optimizer = torch.optim.Adamax([theta], differentiable=True)
optimizer.step()
try:
    copy.deepcopy(optimizer.state_dict())
except RuntimeError as error:
    sys.exit(f"diverges: copy.deepcopy of the state raises RuntimeError: {error}")
