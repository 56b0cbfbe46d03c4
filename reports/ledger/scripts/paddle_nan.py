"""The norm of paddle.optimizer.Adamax loses a NaN at the next step."""

import math
import sys

import paddle

theta = paddle.create_parameter([1], "float32")
optimizer = paddle.optimizer.Adamax(0.5, parameters=[theta])
for gradient in (math.nan, 1.0):
    theta.grad = paddle.to_tensor([gradient])
    optimizer.step()
norm = next(value for name, value in optimizer.state_dict().items() if "inf_norm" in name)
print(f"norm after a gradient of NaN and one of 1: {norm.item()}")
if not math.isnan(norm.item()):
    sys.exit("diverges: max(beta2*NaN, 1) is NaN")
