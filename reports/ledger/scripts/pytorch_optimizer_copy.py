"""A copy of pytorch_optimizer.AdaMax cannot take a step."""

import copy
import sys

import pytorch_optimizer
import torch

theta = torch.zeros(1, requires_grad=True)
optimizer = copy.deepcopy(pytorch_optimizer.AdaMax([theta], lr=0.1))
optimizer.param_groups[0]["params"][0].grad = torch.ones(1)
try:
    optimizer.step()
except AttributeError as error:
    sys.exit(f"diverges: {error}")
print("the copy took a step")
