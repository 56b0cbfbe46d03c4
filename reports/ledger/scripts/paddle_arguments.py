"""paddle.optimizer.Adamax refuses lr by TypeError, and takes negative ones."""

import sys

import paddle

wrong = []
parameter = paddle.create_parameter([1], "float32")
for name, value in [
    *(("learning_rate", x) for x in ("a", None, [1e-3], 1e-3 + 0j, 1, 0, -1.0, paddle.to_tensor(1e-3))),
    *(("weight_decay", x) for x in (-1.0, -1e-8, float("-inf"))),
]:
    try:
        paddle.optimizer.Adamax(parameters=[parameter], **{name: value})
        wrong.append(f"{name}={value} is accepted")
    except (AssertionError, TypeError) as error:
        wrong.append(f"{name} of {type(value).__name__} raises {type(error).__name__}")
sys.exit(f"diverges: {', '.join(wrong)}")
