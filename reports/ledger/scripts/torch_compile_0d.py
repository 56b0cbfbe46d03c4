"""torch.optim.Adamax, compiled: a float64 scalar parameter stays as it is."""

import sys

import torch

parameters = [torch.tensor(1.0, dtype=torch.float64, requires_grad=True) for _ in range(2)]
optimizers = [torch.optim.Adamax([parameter], lr=0.25) for parameter in parameters]
for parameter, optimizer in zip(parameters, optimizers, strict=True):
    parameter.grad = torch.ones_like(parameter)
    step = torch.compile(optimizer.step) if optimizer is optimizers[0] else optimizer.step
    step()
shown = [(p.item(), o.state[p]["exp_avg"].item()) for p, o in zip(parameters, optimizers, strict=True)]
print(f"theta and m: compiled {shown[0]}, as it is {shown[1]}")
if shown[0][0] == 1:
    sys.exit("diverges: the compiled step leaves theta as it was")
