"""A checkpoint of pytorch_optimizer.AdaMax is live, and may lack an option."""

import sys

import pytorch_optimizer
import torch

theta = torch.zeros(1, requires_grad=True)
theta.grad = torch.ones(1)
optimizer = pytorch_optimizer.AdaMax([theta], lr=0.1)
optimizer.step()
checkpoint = optimizer.state_dict()
saved = checkpoint["state"][0]["exp_avg"].item()
optimizer.step()
del checkpoint["param_groups"][0]["foreach"]
optimizer.load_state_dict(checkpoint)
if saved != checkpoint["state"][0]["exp_avg"].item() or "foreach" not in optimizer.param_groups[0]:
    sys.exit("diverges: a checkpoint changes with the optimizer, and takes an option away")
