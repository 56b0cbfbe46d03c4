"""paddle.optimizer.Adamax cannot step a float64 parameter next to a float32 one."""

import sys

import paddle

thetas = [paddle.create_parameter([1], dtype) for dtype in ("float32", "float64")]
optimizer = paddle.optimizer.Adamax(0.5, parameters=thetas)
for theta in thetas:
    theta.grad = paddle.ones([1], theta.dtype)
try:
    optimizer.step()
except ValueError as error:
    print(error)
    sys.exit("diverges: one of the two parameters cannot be stepped")
