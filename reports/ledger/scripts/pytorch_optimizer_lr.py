"""pytorch_optimizer.AdaMax raises no ValueError for a wrong lr, and takes None."""

import sys

import pytorch_optimizer
import torch

wrong = []
for lr in (-1.0, -5e-324, None, "a", [1e-3], 1e-3 + 0j):
    try:
        pytorch_optimizer.AdaMax([torch.zeros(2, requires_grad=True)], lr=lr)
        wrong.append(f"{lr!r} is accepted")
    except Exception as error:  # noqa: BLE001 - its own derives from Exception alone
        wrong += [] if isinstance(error, ValueError) else [f"{lr!r} raises {type(error).__name__}"]
if wrong:
    sys.exit(f"diverges: {'; '.join(wrong)}")
