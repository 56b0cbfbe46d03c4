"""torch.optim.Adamax, differentiable: a loaded state is leaves; steps fail."""

import io
import sys

import torch

theta = torch.ones(2, requires_grad=True).clone()
theta.grad = torch.ones(2, requires_grad=True) * 0.5
first = torch.optim.Adamax([theta], differentiable=True)
first.step()
torch.save(first.state_dict(), file := io.BytesIO())
second = torch.optim.Adamax([theta], differentiable=True)
second.load_state_dict(torch.load(io.BytesIO(file.getvalue())))
try:
    second.step()
except RuntimeError as error:
    sys.exit(f"diverges: the resumed optimizer raises RuntimeError: {error}")
