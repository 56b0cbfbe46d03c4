"""keras.optimizers.Adamax on PyTorch steps float64 variables by float32 scalars."""

import sys

import keras

theta = keras.Variable(keras.ops.zeros((1,)), dtype="float64")
optimizer = keras.optimizers.Adamax(learning_rate=0.1, epsilon=1e-300)
optimizer.build([theta])
optimizer.apply([keras.ops.ones((1,), dtype="float64")], [theta])
print(f"after a step theta is {float(theta.numpy()[0])!r}, and lr was 0.1")
if abs(float(theta.numpy()[0]) + 0.1) > 1e-12:
    sys.exit("diverges: the learning rate and the bias correction are float32")
