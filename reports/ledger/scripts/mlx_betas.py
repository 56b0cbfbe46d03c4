"""Until 0.32.1, mlx.optimizers.Adamax takes any betas."""

import sys

from mlx import optimizers

wrong = []
for beta in (-0.1, -5e-324, 1.0, 1.5, float("nan"), float("inf")):
    for betas in ([beta, 0.999], [0.9, beta]):
        try:
            optimizers.Adamax(0.1, betas=betas)
            wrong.append(f"{betas} is accepted")
        except ValueError as error:
            print(f"betas={betas}: {error}")
if wrong:
    sys.exit(f"diverges: {'; '.join(wrong)}")
