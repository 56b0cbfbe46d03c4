"""keras.optimizers.Adamax takes any betas, epsilon, decay and negative lr."""

import sys

import keras
import numpy as np

wrong = []
for name, value in [
    *(("learning_rate", x) for x in (-1.0, -np.inf, 1, 0, np.array(1e-3))),
    *((name, x) for name in ("beta_1", "beta_2") for x in (-0.1, 1.0, 1.5, np.inf, np.nan)),
    *((name, x) for name in ("epsilon", "weight_decay") for x in (-1.0, -1e-8, -np.inf)),
]:
    try:
        keras.optimizers.Adamax(**{name: value})
        wrong.append(f"{name}={value} is accepted")
    except ValueError as error:
        wrong.append(f"{name}={value!r} is refused: {error}")
sys.exit(f"diverges: {', '.join(wrong)}")
