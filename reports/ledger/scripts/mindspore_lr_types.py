"""mindspore.experimental.optim.Adamax raises TypeError for a string as lr."""

import sys

import mindspore as ms

wrong = []
for lr in ("a", None, [1e-3], 1e-3 + 0j):
    try:
        ms.experimental.optim.Adamax([ms.Parameter(ms.ops.zeros(2))], lr=lr)
    except (TypeError, ValueError) as error:
        print(f"lr={lr!r}: {type(error).__name__}: {error}")
        wrong += [lr] if isinstance(error, TypeError) else []
if wrong:
    sys.exit(f"diverges: TypeError for lr in {wrong}")
