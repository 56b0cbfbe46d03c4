"""A copy of pytorch_optimizer.AdaMax cannot take a step."""

import sys

import pytorch_optimizer
import torch

optimizer = pytorch_optimizer.AdaMax([torch.zeros(1, requires_grad=True)], lr=0.1)
copied = sorted(optimizer.__getstate__())
print(f"a copy and a pickle keep {copied}")
if "maximize" not in copied:
    sys.exit("diverges: the attribute maximize is lost, and each step reads it")
