"""mindspore.experimental.optim.Adamax cannot step a group that is added later."""

import sys

import mindspore as ms

theta, later = (ms.Parameter(ms.Tensor([1.0, 2.0], ms.float32), name=name) for name in ("theta", "later"))
optimizer = ms.experimental.optim.Adamax([theta], lr=0.1)
optimizer.add_param_group({"params": [later]})
gradient = ms.Tensor([0.5, 0.5], ms.float32)
try:
    optimizer((gradient, gradient))
except (RuntimeError, ValueError, IndexError) as error:
    print(error)
    sys.exit(f"diverges: moments of {len(optimizer.exp_avg)} of 2 parameters, and no step")
