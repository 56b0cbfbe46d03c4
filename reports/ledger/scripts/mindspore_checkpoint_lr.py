"""mindspore.experimental.optim.Adamax: a checkpoint lacks the learning rates."""

import sys

import mindspore as ms

theta = ms.Parameter(ms.Tensor([1.0], ms.float32), name="theta")
optimizer = ms.experimental.optim.Adamax([theta], lr=0.1)
ms.ops.assign(optimizer.param_groups[0]["lr"], ms.Tensor(0.5, ms.float32))
ms.save_checkpoint(optimizer, "adamax.ckpt")
saved = sorted(ms.load_checkpoint("adamax.ckpt"))
print(saved)
if not any("learning_rate" in name for name in saved):
    sys.exit("diverges: the learning rate 0.5 is not saved, and a new optimizer goes on with its own")
