"""Several lives whose numbers are judged in one call."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

from ...reference.life import Life, Observation, Watched
from ..error_model import ErrorModel
from .findings import LifeFindings
from .judge import LifeJudge
from .steps import judge_steps


class LifeBatch:
    """Lives of one subject that were performed, and are judged together.

    Args:
        error_model: what the subject is judged against, by the dtype of a parameter.
        watched: what the caller holds and must find unchanged.
        nan_spreads: whether a NaN must show in what it enters.

    Attributes:
        rows: the number of elements to judge.
        performed: the lives, each with its observations.
    """

    def __init__(
        self,
        error_model: Callable[[str], ErrorModel],
        watched: Collection[Watched],
        *,
        nan_spreads: bool = True,
    ) -> None:
        self._error_model, self._watched, self._nan_spreads = error_model, watched, nan_spreads
        self._judges: list[LifeJudge] = []
        self.performed: list[tuple[Life, Sequence[Observation]]] = []
        self.rows = 0

    def add(self, life: Life, observations: Sequence[Observation]) -> LifeFindings:
        """Add a life, and judge what is not a number after a step.

        Returns:
            What was found so far.
        """
        judge = self._judge(life, len(self._judges))
        judge.take(observations)
        self._judges.append(judge)
        self.performed.append((life, observations))
        self.rows += sum(stepped.rows for stepped in judge.stepped)
        return judge.result

    def judge(self) -> list[LifeFindings]:
        """Judge the lives up to the first that is wrong.

        Returns:
            What was found of each; the numbers that were compared count with the last.
        """
        counted = LifeFindings()
        stepped = [each for judge in self._judges for each in judge.stepped]
        for error in judge_steps(stepped, self._error_model, counted, nan_spreads=self._nan_spreads):
            self._judges[error.stepped.life].add(error)
        results = [judge.finish() for judge in self._judges]
        wrong = next((i for i, found in enumerate(results) if found.findings), None)
        if wrong is not None:
            return [self._judge(life).judge(seen) for life, seen in self.performed[: wrong + 1]]
        if results:
            results[-1].count(counted.judged, counted.open, counted.largest_over_bound)
        return results

    def _judge(self, life: Life, number: int = 0) -> LifeJudge:
        return LifeJudge(life, self._error_model, self._watched, nan_spreads=self._nan_spreads, number=number)
