"""torch.optim.Adamax: the constructor writes into the caller's own groups."""

import sys

import torch

theta = torch.ones(2, requires_grad=True)
groups = [{"params": [theta], "lr": 0.5}]
torch.optim.Adamax(groups)
added = sorted(set(groups[0]) - {"params", "lr"})
print(added)
if added:
    sys.exit(f"diverges: the caller's group has got {', '.join(added)}")
