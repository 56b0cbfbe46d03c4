"""pytorch_optimizer.AdaMax writes the decay and the negation into the gradient."""

import sys

import pytorch_optimizer
import torch

theta = torch.ones(2, requires_grad=True)
theta.grad = torch.full((2,), 0.5)
pytorch_optimizer.AdaMax([theta], lr=0.1, weight_decay=0.25, maximize=True, foreach=False).step()
print(f"the gradient was [0.5, 0.5], and is {theta.grad.tolist()}")
if theta.grad.tolist() != [0.5, 0.5]:
    sys.exit("diverges: a second optimizer, or an average over gradients, sees another gradient")
