"""torch.distributed.optim's Adamax has lr=1e-3, and maximize by position."""

import inspect
import sys

from torch.distributed.optim.functional_adamax import _FunctionalAdamax

parameters = inspect.signature(_FunctionalAdamax).parameters
print({name: parameter.default for name, parameter in parameters.items()})
if parameters["lr"].default != 2e-3 or parameters["maximize"].kind is not inspect.Parameter.KEYWORD_ONLY:
    sys.exit("diverges: lr is not 2e-3 as in torch.optim.Adamax, or maximize is not keyword-only")
