"""mindspore.nn.AdaMax refuses betas of 0, and takes NaN, a list, a Tensor < 0."""

import sys

import mindspore as ms

wanted = [({name: 0.0}, "") for name in ("beta1", "beta2")]
wanted += [({name: float("nan")}, "ValueError") for name in ("beta1", "beta2")]
wanted += [({"learning_rate": lr}, "ValueError") for lr in (None, 1j, [1e-3], ms.Tensor(-0.001, ms.float32))]
wrong = []
for arguments, right in wanted:
    try:
        ms.nn.AdaMax([ms.Parameter(ms.ops.zeros(2))], **arguments)
        wrong += [f"{arguments} is accepted"] if right else []
    except (TypeError, ValueError) as error:
        wrong += [] if type(error).__name__ == right else [f"{arguments}: {type(error).__name__}"]
if wrong:
    sys.exit(f"diverges: {'; '.join(wrong)}")
