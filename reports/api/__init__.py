"""The Python interface: exact steps, judged steps, and the suite from a test.

    from adamax_conformance.reports.api import assert_conforms

    def test_my_adamax():
        assert_conforms("torch:mypackage.optim.Adamax")

What this module exports is stable: it changes with the major version only. Importing it takes a few milliseconds;
the oracle is imported by the first call that needs it.
"""

from ...reference.rules import DOCUMENTED, Ascent, BiasCorrection, Decay, Epsilon, Rule
from .run import Finding, NotJudgedError, Report, assert_conforms, check
from .steps import ExactNumbers, ExactStep, JudgedNumber, StepJudgement, exact_step, judge_step

__all__ = [
    "DOCUMENTED",
    "Ascent",
    "BiasCorrection",
    "Decay",
    "Epsilon",
    "ExactNumbers",
    "ExactStep",
    "Finding",
    "JudgedNumber",
    "NotJudgedError",
    "Report",
    "Rule",
    "StepJudgement",
    "assert_conforms",
    "check",
    "exact_step",
    "judge_step",
]
