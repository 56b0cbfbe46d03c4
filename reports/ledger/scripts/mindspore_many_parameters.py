"""mindspore.experimental.optim.Adamax cannot step a thousand parameters."""

import sys

import mindspore as ms

params = [ms.Parameter(ms.Tensor([1.0], ms.float32), name=f"theta{i}") for i in range(1100)]
optimizer = ms.experimental.optim.Adamax(params, lr=0.1)
try:
    optimizer(tuple(ms.Tensor([0.5], ms.float32) for _ in params))
except RuntimeError as error:
    print(str(error).splitlines()[0])
    sys.exit("diverges: no step of 1100 parameters")
