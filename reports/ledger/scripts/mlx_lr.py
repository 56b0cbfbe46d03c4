"""mlx.optimizers.Adamax takes any lr: below 0, complex, or a list."""

import sys

from mlx import optimizers

wrong = []
for lr in (-1.0, -1, -5e-324, float("-inf"), [1e-3], 1e-3 + 0j, None):
    try:
        optimizers.Adamax(lr)
        wrong.append(f"{lr!r} is accepted")
    except (TypeError, ValueError) as error:
        print(f"learning_rate={lr!r}: {type(error).__name__}: {error}")
        wrong += [f"{lr!r} raises TypeError"] if isinstance(error, TypeError) else []
if wrong:
    sys.exit(f"diverges: {'; '.join(wrong)}")
