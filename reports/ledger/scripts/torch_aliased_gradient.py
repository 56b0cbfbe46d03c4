"""torch.optim.Adamax, for-loop: a gradient is read after its memory was stepped."""

import sys

import torch

first, second = (torch.ones(2, requires_grad=True) for _ in range(2))
first.grad = torch.full_like(first, 0.5)
second.grad = first.detach()  # the memory of the first parameter
optimizer = torch.optim.Adamax([first, second], lr=0.5, betas=(0.0, 0.0), foreach=False)
optimizer.step()
m = optimizer.state[second]["exp_avg"].tolist()
if m != [1.0, 1.0]:
    sys.exit(f"diverges: m of the second parameter is {m}, and its gradient was [1.0, 1.0]")
