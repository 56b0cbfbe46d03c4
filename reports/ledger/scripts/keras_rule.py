"""keras.optimizers.Adamax divides by u + epsilon and decays the variable."""

import sys

import keras

variable = keras.Variable([2.0])
optimizer = keras.optimizers.Adamax(0.5, beta_1=0.5, beta_2=0.5, epsilon=1.0, weight_decay=0.5)
optimizer.apply([keras.ops.ones(1)], [variable])
value, (u,) = float(variable[0]), [float(v[0]) for v in optimizer.variables if v.name.endswith("_norm")]
print(f"u = {u}, and the documented formula has |1 + 0.5*2| + 1 = 3; the variable is {value}")
if u != 3:
    sys.exit("diverges: u has neither the decay nor epsilon in it")
