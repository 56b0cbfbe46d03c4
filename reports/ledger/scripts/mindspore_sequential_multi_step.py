"""SequentialLR cannot switch to MultiStepLR, which lacks an attribute."""

import sys

import mindspore as ms
from mindspore.experimental import optim

optimizer = optim.Adamax([ms.Parameter(ms.ops.zeros(2), name="theta")], lr=0.1)
parts = [
    optim.lr_scheduler.ExponentialLR(optimizer, 0.9),
    optim.lr_scheduler.MultiStepLR(optimizer, [2], 0.5),
]
scheduler = optim.lr_scheduler.SequentialLR(optimizer, parts, milestones=[2])
try:
    for _ in range(3):
        scheduler.step()
except AttributeError as error:
    sys.exit(f"diverges: AttributeError: {error}")
