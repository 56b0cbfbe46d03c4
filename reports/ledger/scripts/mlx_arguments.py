"""mlx.optimizers.Adamax has no default lr, no weight_decay and no maximize."""

import inspect
import sys

from mlx import optimizers

parameters = inspect.signature(optimizers.Adamax).parameters
print({name: parameter.default for name, parameter in parameters.items()})
if parameters["learning_rate"].default is inspect.Parameter.empty or "weight_decay" not in parameters:
    sys.exit("diverges: the learning rate has no default, or weight_decay is missing")
