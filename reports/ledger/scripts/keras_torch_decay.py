"""On PyTorch, keras.optimizers.Adamax decays float64 by a float32 factor."""

import sys

import keras
import numpy as np

variable = keras.Variable([1.0], dtype="float64")
optimizer = keras.optimizers.Adamax(0.25, epsilon=1.0, weight_decay=0.1)
optimizer.apply([keras.ops.zeros(1, dtype="float64")], [variable])
value, right = float(variable[0]), 1 - 0.1 * 0.25
print(f"{keras.backend.backend()}: the variable is {value!r}, should be {right!r}")
if value == float(np.float32(right)):
    sys.exit("diverges: what is left of the variable has 24 bits")
