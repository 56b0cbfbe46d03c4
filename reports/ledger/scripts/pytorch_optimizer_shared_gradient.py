"""pytorch_optimizer.AdaMax adds the decay twice to a shared gradient."""

import sys

import pytorch_optimizer
import torch

first, second = (torch.ones(1, requires_grad=True) for _ in range(2))
first.grad = second.grad = torch.ones(1)
optimizer = pytorch_optimizer.AdaMax([first, second], lr=0.1, weight_decay=0.5, foreach=False)
optimizer.step()
m, other = (optimizer.state[theta]["exp_avg"].item() for theta in (first, second))
print(f"m of the first parameter is {m}, and {other} of the second, from the same gradient and theta")
if m != other:
    sys.exit("diverges: the second parameter sees the gradient with the decay of the first")
