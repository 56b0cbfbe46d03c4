"""paddle.optimizer.Adamax has float32 scalars, for float64 parameters, too."""

import sys

import paddle

theta = paddle.create_parameter([1], "float64")
optimizer = paddle.optimizer.Adamax(1.0, beta1=0.1, parameters=[theta])
theta.grad = paddle.to_tensor([1.0], dtype="float64")
optimizer.step()
m = optimizer.state_dict()[f"{theta.name}_moment_0"].item()
print(f"m = {m!r}, should be {1 - 0.1!r}")
if abs(m - (1 - 0.1)) > 2.0**-50:
    sys.exit("diverges: m is 1 - beta1 with beta1 rounded to float32")
