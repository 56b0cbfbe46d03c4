"""mindspore.nn.AdaMax takes a scalar parameter, and its kernel refuses it."""

import sys

import mindspore as ms

theta = ms.Parameter(ms.Tensor(1.0, ms.float32), name="theta")
optimizer = ms.nn.AdaMax([theta])
try:
    optimizer((ms.Tensor(1.0, ms.float32),))
except RuntimeError as error:
    sys.exit(f"diverges: RuntimeError: {next(x for x in str(error).splitlines() if 'ApplyAdaMax' in x)}")
