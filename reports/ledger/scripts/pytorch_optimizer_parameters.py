"""pytorch_optimizer.AdaMax adds options to the groups that it is passed."""

import sys

import pytorch_optimizer
import torch

theta = torch.zeros(1, requires_grad=True)
group = {"params": [theta]}
pytorch_optimizer.AdaMax([group])
added = sorted(set(group) - {"params"})
print(added)
if added:
    sys.exit(f"diverges: the caller's group has got {', '.join(added)}")
