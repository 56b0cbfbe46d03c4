"""mindspore.experimental.optim.Adamax compares lr before it looks at its type: TypeError instead of ValueError."""

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
