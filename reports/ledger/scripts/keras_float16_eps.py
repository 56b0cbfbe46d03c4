"""keras.optimizers.Adamax rounds epsilon to the format: 1e-8 is 0 in float16."""

import sys

import keras

variable = keras.Variable([1.5], dtype="float16")
optimizer = keras.optimizers.Adamax(0.1, epsilon=1e-8)
optimizer.apply([keras.ops.zeros(1, dtype="float16")], [variable])
value = float(variable[0])
print(f"the variable is {value}")
if value != 1.5:
    sys.exit("diverges: a zero gradient from a zero state must leave the variable alone")
