"""pytorch_optimizer.AdaMax counts the steps of a group, not those of a parameter."""

import sys

import pytorch_optimizer
import torch

first, second = (torch.zeros(1, requires_grad=True) for _ in range(2))
optimizer = pytorch_optimizer.AdaMax([first, second], lr=0.1)
first.grad = torch.ones(1)
optimizer.step()
first.grad, second.grad = None, torch.ones(1)
optimizer.step()
print(f"the same first step takes one parameter to {first.item()}, the other to {second.item()}")
if first.item() != second.item():
    sys.exit("diverges: the first step of the second parameter is corrected as the second")
