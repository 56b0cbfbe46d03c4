"""On PyTorch, the first variable's dtype rounds the lr of all variables."""

import sys

import keras

found = {}
for dtype in ("float32", "float16"):
    variables = [keras.Variable([1.0], dtype=dtype), keras.Variable([1.0], dtype="float32")]
    optimizer = keras.optimizers.Adamax(0.1, epsilon=1.0)
    optimizer.apply([keras.ops.ones(1, dtype=v.dtype) for v in variables], variables)
    found[dtype] = float(variables[1][0])
print(f"{keras.backend.backend()}: the second variable, by the first one's dtype: {found}")
if abs(found["float32"] - found["float16"]) > 2**-23:
    sys.exit("diverges: the float32 variable is updated with a learning rate of float16")
