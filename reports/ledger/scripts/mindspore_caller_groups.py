"""mindspore.experimental.optim.Adamax: it writes into the caller's own groups."""

import sys

import mindspore as ms

theta = ms.Parameter(ms.Tensor([1.0], ms.float32), name="theta")
groups = [{"params": [theta], "lr": 0.5}]
ms.experimental.optim.Adamax(groups)
added = sorted(set(groups[0]) - {"params", "lr"})
print(added, type(groups[0]["lr"]).__name__)
if added:
    sys.exit(f"diverges: the caller's group has got {', '.join(added)}")
