"""keras.optimizers.Adamax keeps lr in floatx, for float64 variables, too."""

import sys

import keras

variable = keras.Variable([0.0], dtype="float64")
optimizer = keras.optimizers.Adamax(0.1, beta_1=0.0, epsilon=0.0)
optimizer.apply([keras.ops.ones(1, dtype="float64")], [variable])
value = float(variable[0])
print(f"the variable is {value!r}, should be -0.1")
if value != -0.1:
    sys.exit("diverges: the step is 0.1 rounded to float32")
