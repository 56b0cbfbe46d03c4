"""Train a two-layer network on handwritten digits, with NumPy and Adamax.

The data are the 1797 real digits of 8 by 8 pixels that come with scikit-learn (UCI ML hand-written digits); a
fifth of them is held out. Run it with `python tests/meta/examples/digits.py`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from adamax_conformance.impl import Adamax
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

Array = npt.NDArray[np.float32]

EPOCHS = 30
BATCH = 64
HIDDEN = 64


@dataclass
class Network:
    """A hidden layer with rectified units, and a softmax over ten digits."""

    weights: tuple[Array, Array]
    biases: tuple[Array, Array]

    @classmethod
    def drawn(cls, rng: np.random.Generator, sizes: tuple[int, int, int]) -> Network:
        """Weights as He et al. (2015) draw them, and zero biases."""
        first, second = (
            (rng.standard_normal(pair) * math.sqrt(2 / pair[0])).astype(np.float32)
            for pair in pairwise(sizes)
        )
        return cls((first, second), (np.zeros(sizes[1], np.float32), np.zeros(sizes[2], np.float32)))

    def hidden(self, pixels: Array) -> Array:
        """The activations of the hidden layer: (examples, hidden units)."""
        return np.maximum(pixels @ self.weights[0] + self.biases[0], 0)

    def gradients(self, pixels: Array, digits: npt.NDArray[np.int64]) -> tuple[Array, ...]:
        """The gradient of the mean cross-entropy: of both weights, then of both biases."""
        hidden = self.hidden(pixels)
        scores = hidden @ self.weights[1] + self.biases[1]
        odds = np.exp(scores - scores.max(axis=1, keepdims=True))
        error = odds / odds.sum(axis=1, keepdims=True)
        error[np.arange(len(digits)), digits] -= 1
        error /= len(digits)
        back = (error @ self.weights[1].T) * (hidden > 0)
        return pixels.T @ back, hidden.T @ error, back.sum(axis=0), error.sum(axis=0)

    def accuracy(self, pixels: Array, digits: npt.NDArray[np.int64]) -> float:
        """The share of examples whose digit gets the highest score."""
        scores = self.hidden(pixels) @ self.weights[1] + self.biases[1]
        return float(np.mean(scores.argmax(axis=1) == digits))


def warm_up_then_cosine(peak: float, warm_up: int, steps: int) -> Callable[[int], float]:
    """A learning rate with a linear rise for `warm_up` steps, then a cosine to 0."""

    def lr(t: int) -> float:
        if t <= warm_up:
            return peak * t / warm_up
        return peak * (1 + math.cos(math.pi * (t - warm_up) / (steps - warm_up))) / 2

    return lr


def train(seed: int = 0) -> float:
    """Train from scratch, and return the accuracy on the digits that were held out."""
    rng = np.random.default_rng(seed)
    pixels, digits = load_digits(return_X_y=True)
    train_x, test_x, train_y, test_y = train_test_split(
        (pixels / 16).astype(np.float32), digits, test_size=0.2, stratify=digits, random_state=seed
    )
    network = Network.drawn(rng, (64, HIDDEN, 10))
    steps = EPOCHS * -(-len(train_x) // BATCH)
    optimizer = Adamax(
        [
            {"params": network.weights, "weight_decay": 1e-4},
            {"params": network.biases},
        ],
        lr=warm_up_then_cosine(peak=0.05, warm_up=20, steps=steps),
    )
    for _ in range(EPOCHS):
        order = rng.permutation(len(train_x))
        for batch in np.split(order, range(BATCH, len(order), BATCH)):
            optimizer(network.gradients(train_x[batch], train_y[batch]))
    return network.accuracy(test_x, test_y)


if __name__ == "__main__":
    print(f"{train():.1%} of the held-out digits are right")
