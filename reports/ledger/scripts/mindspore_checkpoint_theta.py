"""MindSpore's Adamax, both: a checkpoint of the optimizer sets theta back."""

import sys

import mindspore as ms

for make in (ms.experimental.optim.Adamax, ms.nn.AdaMax):
    theta = ms.Parameter(ms.Tensor([1.0], ms.float32), name="theta")
    optimizer = make([theta])
    ms.save_checkpoint(optimizer, "adamax.ckpt")
    optimizer((ms.Tensor([0.5], ms.float32),))
    before = theta.asnumpy().tolist()
    ms.load_param_into_net(optimizer, ms.load_checkpoint("adamax.ckpt"))
    after = theta.asnumpy().tolist()
    if after != before:
        sys.exit(f"diverges: loading a checkpoint of the optimizer sets theta from {before} to {after}")
