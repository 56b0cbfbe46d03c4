"""Train LeNet-5 with `torch.optim.Adamax` and a schedule, and record it.

`train_torch.py START.npz RECORDING`.
"""

from __future__ import annotations

import sys

import numpy as np
import torch
from adamax_conformance.impl.recording import record
from torch import nn
from torch.nn import functional


class LeNet5(nn.Module):
    """Two convolutions and three dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.max_pool2d(functional.relu(self.conv2(x)), 2)
        x = functional.relu(self.fc1(x.flatten(1)))
        return self.fc3(functional.relu(self.fc2(x)))


def train(start: str, recording: str) -> list[float]:
    """Train, and return the loss of each step."""
    given = np.load(start)
    net = LeNet5()
    with torch.no_grad():
        for name, parameter in net.named_parameters():
            parameter.copy_(torch.from_numpy(given[f"parameter.{name}"]))
    # Rates that every format holds, so that both frameworks have the same.
    optimizer = torch.optim.Adamax(net.named_parameters(), lr=2**-8)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 10, 0.5)
    losses = []
    with record(optimizer, recording):
        for batch in given["batches"]:
            images, digits = (
                torch.from_numpy(given["images"][batch]),
                torch.from_numpy(given["digits"][batch]),
            )
            optimizer.zero_grad()
            loss = functional.cross_entropy(net(images), digits.long())
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
    return losses


if __name__ == "__main__":
    print(*train(*sys.argv[1:3]))
