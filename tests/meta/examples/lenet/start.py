"""Write the start that both runs share: digits, batches, and parameters.

The data are the 1797 real digits of 8 by 8 pixels that come with scikit-learn (UCI ML hand-written digits), enlarged
to 32 by 32 as LeNet-5 wants them: each pixel becomes 4 by 4.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

BATCH = 32
SHAPES = {
    "conv1.weight": (6, 1, 5, 5),
    "conv1.bias": (6,),
    "conv2.weight": (16, 6, 5, 5),
    "conv2.bias": (16,),
    "fc1.weight": (120, 400),
    "fc1.bias": (120,),
    "fc2.weight": (84, 120),
    "fc2.bias": (84,),
    "fc3.weight": (10, 84),
    "fc3.bias": (10,),
}
"""LeCun et al., "Gradient-based learning applied to document recognition" (1998), with rectified units."""


def write(path: Path, steps: int, seed: int = 0) -> None:
    """Write the start of a run of some steps."""
    rng = np.random.default_rng(seed)
    pixels, digits = load_digits(return_X_y=True)
    images = np.kron((pixels / 16).reshape(-1, 1, 8, 8), np.ones((1, 1, 4, 4))).astype(np.float32)
    parameters = {
        f"parameter.{name}": np.zeros(shape, np.float32)
        if len(shape) == 1
        else (rng.standard_normal(shape) * math.sqrt(2 / math.prod(shape[1:]))).astype(np.float32)
        for name, shape in SHAPES.items()
    }
    batches = np.stack([rng.choice(len(digits), BATCH, replace=False) for _ in range(steps)])
    np.savez(path, images=images, digits=digits.astype(np.int32), batches=batches, **parameters)
