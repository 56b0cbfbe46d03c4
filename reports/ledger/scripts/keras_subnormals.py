"""On JAX and TensorFlow, keras.optimizers.Adamax flushes subnormal numbers."""

import sys

import keras
import numpy as np

variable = keras.Variable([0.0])
optimizer = keras.optimizers.Adamax(0.1, beta_1=0.5)
optimizer.apply([keras.ops.convert_to_tensor(np.array([2.0**-127], dtype=np.float32))], [variable])
(m,) = [keras.ops.convert_to_numpy(v).item() for v in optimizer.variables if v.name.endswith("_momentum")]
print(f"m = {m!r}, should be {2.0**-128!r}")
if m != 2.0**-128:
    sys.exit("diverges: a quarter of the smallest normal number is a number of float32, and came out as 0")
