"""torch.optim.Adamax: a checkpoint goes on changing with the optimizer."""

import sys

import torch

theta = torch.ones(2, requires_grad=True)
optimizer = torch.optim.Adamax([theta])
theta.grad = torch.full_like(theta, 0.5)
optimizer.step()
saved = optimizer.state_dict()["state"][0]
before = saved["exp_avg"].tolist(), float(saved["step"])
optimizer.step()
after = saved["exp_avg"].tolist(), float(saved["step"])
if before != after:
    sys.exit(f"diverges: the checkpoint in hand was {before}, and is {after} after a step")
