"""pytorch_optimizer.AdaMax reads a gradient after its memory was stepped."""

import sys

import pytorch_optimizer
import torch

first, second = (torch.ones(1, requires_grad=True) for _ in range(2))
first.grad, second.grad = torch.ones(1), first.data
optimizer = pytorch_optimizer.AdaMax([first, second], lr=0.1, betas=(0.5, 0.5), foreach=False)
optimizer.step()
m = optimizer.state[second]["exp_avg"].item()
print(f"m of the second parameter is {m}; from its gradient 1 it is 0.5")
if m != 0.5:
    sys.exit("diverges: the gradient was read after the first parameter had moved")
