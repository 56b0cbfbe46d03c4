"""mindspore.experimental.optim.Adamax accepts NaN in betas."""

import sys

import mindspore as ms

accepted = []
for betas in ((float("nan"), 0.999), (0.9, float("nan"))):
    try:
        ms.experimental.optim.Adamax([ms.Parameter(ms.ops.zeros(2))], betas=betas)
        accepted.append(betas)
    except ValueError as error:
        print(f"betas={betas}: {error}")
if accepted:
    sys.exit(f"diverges: betas in {accepted} are accepted")
