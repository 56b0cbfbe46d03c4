"""Train LeNet-5 with `mindspore.experimental.optim.Adamax`, and record it.

`train_mindspore.py START.npz RECORDING [ROOMS]`, where ROOMS is the folder that holds `impl/` and `reference/`: an
interpreter with MindSpore needs nothing else of the package to record.
"""

from __future__ import annotations

import os
import sys
import types

if len(sys.argv) > 3:
    package = types.ModuleType("adamax_conformance")
    package.__path__ = [sys.argv[3]]
    sys.modules[package.__name__] = package
os.environ.setdefault("GLOG_v", "3")

import mindspore as ms
import numpy as np
from adamax_conformance.impl.recording import record
from mindspore import nn
from mindspore.experimental import optim


class LeNet5(nn.Cell):
    """Two convolutions and three dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5, pad_mode="valid", has_bias=True)
        self.conv2 = nn.Conv2d(6, 16, 5, pad_mode="valid", has_bias=True)
        self.fc1 = nn.Dense(400, 120)
        self.fc2 = nn.Dense(120, 84)
        self.fc3 = nn.Dense(84, 10)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(2, 2)
        self.flatten = nn.Flatten()

    def construct(self, x):
        x = self.pool(self.relu(self.conv1(x)))
        x = self.pool(self.relu(self.conv2(x)))
        x = self.relu(self.fc1(self.flatten(x)))
        return self.fc3(self.relu(self.fc2(x)))


def train(start: str, recording: str) -> list[float]:
    """Train, and return the loss of each step."""
    given = np.load(start)
    net = LeNet5()
    for parameter in net.trainable_params():
        parameter.set_data(ms.Tensor(given[f"parameter.{parameter.name}"]))
    loss_fn = nn.SoftmaxCrossEntropyWithLogits(sparse=True, reduction="mean")
    optimizer = optim.Adamax(net.trainable_params(), lr=2**-8)
    schedule = optim.lr_scheduler.StepLR(optimizer, 10, 0.5)

    def forward_fn(data, label):
        logits = net(data)
        return loss_fn(logits, label), logits

    grad_fn = ms.value_and_grad(forward_fn, None, optimizer.parameters, has_aux=True)
    losses = []
    with record(optimizer, recording):
        for batch in given["batches"]:
            images, digits = ms.Tensor(given["images"][batch]), ms.Tensor(given["digits"][batch])
            (loss, _), gradients = grad_fn(images, digits)
            optimizer(gradients)
            schedule.step()
            losses.append(float(loss.asnumpy()))
    return losses


if __name__ == "__main__":
    print(*train(*sys.argv[1:3]))
