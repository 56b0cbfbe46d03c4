"""keras.optimizers.Adamax on PyTorch stands still from step 2^31 on."""

import sys

import keras

theta = keras.Variable(keras.ops.zeros((1,)))
optimizer = keras.optimizers.Adamax(learning_rate=0.1)
optimizer.build([theta])
optimizer.iterations.assign(2**31 - 2)
seen = []
for _ in range(2):
    optimizer.apply([keras.ops.ones((1,))], [theta])
    seen.append(float(theta.numpy()[0]))
print(f"after steps 2^31 - 1 and 2^31 theta is {seen}, and the count {int(optimizer.iterations)}")
if seen[0] == seen[1]:
    sys.exit("diverges: the count is an int32, one more than the largest makes beta_1^t infinite")
