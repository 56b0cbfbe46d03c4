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
now = checkpoint["state"][0]["exp_avg"].item()
print(f"m was saved as {saved}, and is {now} in the checkpoint after a further step")
del checkpoint["param_groups"][0]["foreach"]
optimizer.load_state_dict(checkpoint)
print(
    f"after a checkpoint without foreach was loaded, the group has it: {'foreach' in optimizer.param_groups[0]}"
)
if saved != now or "foreach" not in optimizer.param_groups[0]:
    sys.exit("diverges: a checkpoint changes with the optimizer, and takes options away")
