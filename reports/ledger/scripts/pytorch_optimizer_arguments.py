"""pytorch_optimizer.AdaMax has lr=1e-3, and more arguments before maximize."""

import inspect
import sys

import pytorch_optimizer

parameters = inspect.signature(pytorch_optimizer.AdaMax).parameters
print({name: parameter.default for name, parameter in parameters.items()})
if parameters["lr"].default != 2e-3 or parameters["maximize"].kind is not inspect.Parameter.KEYWORD_ONLY:
    sys.exit("diverges: lr is not 2e-3, or maximize is not keyword-only")
