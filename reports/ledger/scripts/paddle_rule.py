"""paddle.optimizer.Adamax adds epsilon to beta2*u, as documented, not to |g|."""

import sys

import paddle

theta = paddle.create_parameter([1], "float32")
optimizer = paddle.optimizer.Adamax(1.0, beta1=0.5, beta2=0.5, epsilon=1.0, parameters=[theta])
theta.grad = paddle.to_tensor([4.0])
optimizer.step()
u = optimizer.state_dict()[f"{theta.name}_inf_norm_0"].item()
print(
    f"u = {u}; with eps added to |g| it is max(0, 4 + 1) = 5, and max(0 + 1, 4) = 4 with eps on the decayed norm"
)
if u != 5:
    sys.exit("diverges: eps is added to beta2*u")
