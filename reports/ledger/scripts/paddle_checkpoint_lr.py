"""The state of paddle.optimizer.Adamax lacks an lr that set_lr has set."""

import sys

import paddle

theta = paddle.create_parameter([1], "float32")
optimizer = paddle.optimizer.Adamax(0.5, parameters=[theta])
optimizer.set_lr(0.25)
theta.grad = paddle.ones([1])
optimizer.step()
again = paddle.optimizer.Adamax(0.5, parameters=[theta])
again.set_state_dict(optimizer.state_dict())
print(f"learning rate saved: {optimizer.get_lr()}, loaded: {again.get_lr()}")
if again.get_lr() != optimizer.get_lr():
    sys.exit("diverges: the resumed run goes on with the learning rate of the constructor")
