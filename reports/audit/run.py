"""The audit of a recording: identify it, judge it, and judge it again if need be.

It is judged again where the elements beyond their bounds show another rule, form or flushing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from ...oracles.batch.lockstep import QUANTITIES
from ...oracles.error_model import CORRECTLY_ROUNDED, Arithmetic, ErrorModel, EvaluationScheme
from ...oracles.formats import Format
from ...oracles.identify.result import Identification
from ...oracles.identify.search import identify_observed
from ...oracles.verdict import Quantity
from ...reference.rules import DOCUMENTED
from .causes import Findings, find_causes
from .dtypes import of_state
from .element_reader import ElementReader
from .executors import Judge
from .manifest import Manifest
from .place import name_place
from .progress import ProgressFile
from .sample import RecordingSample, draw_elements, identify_sample, steps_to_sample
from .tallies import AuditResult, RecordedError, RecordedTally, merge_results
from .tensors import Columns
from .work_items import WorkItem, plan

_ROUNDS: Final = 3
"""How often a recording is judged at most: first as its sample shows it, then as its rare elements do."""
_FEW: Final = 24
"""How many elements beyond their bounds are looked at."""


@dataclass(frozen=True)
class DtypeModel:
    """The rule and the arithmetic that one dtype of a recording was identified as.

    Attributes:
        identification: the rule and the evaluation scheme.
        arithmetic: the declared one, or the same with the flushing that was found.
    """

    identification: Identification
    arithmetic: Arithmetic

    @property
    def error_model(self) -> ErrorModel:
        """The error model that its numbers are judged against."""
        found = self.identification
        return ErrorModel(found.computes_in, found.nearest, found.scheme, self.arithmetic)


@dataclass(frozen=True)
class AuditReport:
    """The result of a whole audit.

    Attributes:
        manifest: of the recording.
        models: by dtype.
        result: of all work items.
        declared: the declared arithmetic.
        findings: what explains the errors of each dtype that has some.
    """

    manifest: Manifest
    models: Mapping[str, DtypeModel]
    result: AuditResult
    declared: Arithmetic
    findings: Mapping[str, Findings] = field(default_factory=dict)


@dataclass
class ProgressCallbacks:
    """Functions that the audit calls as it proceeds; by default they do nothing.

    Attributes:
        begins: gets how many bytes there are, and the model of each dtype.
        judged: gets how many bytes more have been judged.
    """

    begins: Callable[[int, Mapping[str, DtypeModel]], None] = field(default=lambda _size, _models: None)
    judged: Callable[[int], None] = field(default=lambda _size: None)


def audit(
    manifest: Manifest,
    judge: Judge,
    progress: ProgressFile,
    *,
    arithmetic: Arithmetic = CORRECTLY_ROUNDED,
    numbers: Sequence[int] | None = None,
    callbacks: ProgressCallbacks | None = None,
) -> AuditReport:
    """Audit a recording.

    Args:
        manifest: of the recording.
        judge: judges its work items.
        progress: the results of an earlier audit that was stopped.
        arithmetic: the declared arithmetic.
        numbers: the recorded steps to judge; all of them by default.
        callbacks: called as the audit proceeds.
    """
    callbacks = callbacks or ProgressCallbacks()
    reader = ElementReader(manifest)
    chosen = sorted(manifest.judged if numbers is None else set(numbers) & set(manifest.judged))
    samples = _draw_samples(reader, steps_to_sample(chosen))
    models = {
        d: DtypeModel(identify_sample(s, Format.of(of_state(d)), arithmetic), arithmetic)
        for d, s in samples.items()
    }
    items = plan(manifest, chosen)
    for round_ in range(_ROUNDS):
        callbacks.begins(sum(item.size for item in items), models)
        error_models = {dtype: each.error_model for dtype, each in models.items()}
        result = _judge_all(items, error_models, judge, progress, callbacks)
        again = {
            dtype: other
            for dtype, each in models.items()
            if (other := _reconsider(reader, samples, dtype, each, result)) is not None
        }
        if not again or round_ == _ROUNDS - 1:
            break
        models = {**models, **again}
    findings = {
        dtype: found
        for dtype, model in models.items()
        if _is_odd(model, result, dtype, arithmetic)
        and (found := _find_causes(reader, chosen, dtype, result))
    }
    others = {
        dtype: _documented(dtype, models[dtype], arithmetic)
        for dtype, found in findings.items()
        if _is_better(found, models[dtype], arithmetic)
    }
    if others:
        models = {**models, **others}
        findings |= {dtype: replace(findings[dtype], explains_rule=True) for dtype in others}
        callbacks.begins(sum(item.size for item in items), models)
        error_models = {dtype: each.error_model for dtype, each in models.items()}
        result = _judge_all(items, error_models, judge, progress, callbacks)
    findings = {
        dtype: name_place(found, result, dtype, Columns.of(chosen)) for dtype, found in findings.items()
    }
    damages = frozenset({*result.damages, *manifest.damages, *reader.chunk_reader.damages})
    return AuditReport(manifest, models, replace(result, damages=damages), arithmetic, findings)


def _find_causes(
    reader: ElementReader, numbers: Sequence[int], dtype: str, result: AuditResult
) -> Findings | None:
    return find_causes(reader, numbers, dtype, {q.value: _tally(result, dtype, q) for q in QUANTITIES})


def _tally(result: AuditResult, dtype: str, quantity: Quantity) -> RecordedTally:
    return result.tallies.get((dtype, quantity), RecordedTally())


def _is_rule_alone(model: DtypeModel, declared: Arithmetic) -> bool:
    """Whether a known rule explains everything, in the working precision."""
    found = model.identification
    return found.rule is not None and found.admissible and model.arithmetic == declared


def _is_odd(model: DtypeModel, result: AuditResult, dtype: str, declared: Arithmetic) -> bool:
    """Whether anything is to be explained."""
    exceeded = any(_tally(result, dtype, quantity).exceeded for quantity in QUANTITIES)
    return exceeded or model.identification.rule != DOCUMENTED or not _is_rule_alone(model, declared)


def _is_better(found: Findings, model: DtypeModel, declared: Arithmetic) -> bool:
    """Whether a finding explains more than the identification.

    What a cause explains is put down neither to a precision nor to flushing, and what goes wrong in one place
    is not an unknown rule.
    """
    if _is_rule_alone(model, declared):
        return False
    other = [c for c in found.causes if c.model.narrows is None and not c.slug.startswith("subnormal")]
    return bool(other) or (found.is_local and not found.causes and model.identification.rule is None)


def _documented(dtype: str, model: DtypeModel, declared: Arithmetic) -> DtypeModel:
    """The documented rule with scalars of the working format."""
    format_ = Format.of(of_state(dtype))
    scheme = EvaluationScheme(model.identification.scheme.form).with_scalars(format_)
    found = replace(
        model.identification,
        nearest=DOCUMENTED,
        alternatives=(),
        scheme=scheme,
        computes_in=format_,
        mismatches={},
        kept_in={},
    )
    return DtypeModel(replace(found, rule=DOCUMENTED), declared)


def _draw_samples(reader: ElementReader, numbers: Sequence[int]) -> dict[str, RecordingSample]:
    dtypes = sorted({batch.dtype for number in numbers for batch in reader.batches(number)})
    return {d: RecordingSample(parts) for d in dtypes if (parts := tuple(draw_elements(reader, numbers, d)))}


def _judge_all(
    items: Sequence[WorkItem],
    error_models: Mapping[str, ErrorModel],
    judge: Judge,
    progress: ProgressFile,
    callbacks: ProgressCallbacks,
) -> AuditResult:
    stamps = {item: progress.stamp(item, error_models) for item in items}
    results = {item: known for item in items if (known := progress.lookup(stamps[item])) is not None}
    callbacks.judged(sum(item.size for item in results))
    for item, result in judge([item for item in items if item not in results], error_models):
        results[item] = result
        progress.add(stamps[item], result)
        callbacks.judged(item.size)
    return merge_results(results[item] for item in items)


def _reconsider(
    reader: ElementReader,
    samples: dict[str, RecordingSample],
    dtype: str,
    model: DtypeModel,
    result: AuditResult,
) -> DtypeModel | None:
    """Find another model that explains the elements beyond their bounds.

    The scalars of a step are the same for all of its elements. So ordinary elements of the steps at hand decide
    about the precision of the scalars; the rare ones decide about the rule, the form and flushing only. An error
    of a few elements is never put down to coarse scalars.
    """
    tallies = [_tally(result, dtype, quantity) for quantity in QUANTITIES]
    elements = {
        error.index for t in tallies for error in (*t.worst, *_maybe(t.first)) if error.over_bound > 1
    }
    if not elements:
        return None
    format_ = Format.of(of_state(dtype))
    steps = sorted({index.number for index in elements})
    samples[dtype] = RecordingSample(
        (*samples[dtype].parts, *draw_elements(reader, steps[:2], dtype))
    ).without(elements)
    ordinary = DtypeModel(identify_sample(samples[dtype], format_, model.arithmetic), model.arithmetic)
    if ordinary.error_model != model.error_model:
        return ordinary
    rare = RecordingSample(
        (*samples[dtype].parts, *(e for i in sorted(elements)[:_FEW] if (e := reader.element(i)) is not None))
    )
    # What no rule explains stays unexplained with more elements.
    usual = [] if ordinary.identification.rule is None else [model.arithmetic]
    for arithmetic in (*usual, replace(model.arithmetic, flush_to_zero=True)):
        # With nothing left out: what does not explain the rare ones gives no reason to judge again.
        other = DtypeModel(identify_observed(rare, format_, arithmetic), arithmetic)
        whole = other.identification.rule is not None
        if whole and other.error_model != model.error_model and _equally_precise(other, model):
            samples[dtype] = rare
            return other
    return None


def _equally_precise(one: DtypeModel, other: DtypeModel) -> bool:
    """Whether two models differ in neither the format nor the scalars."""
    a, b = one.error_model, other.error_model
    return (a.format_, replace(a.scheme, form=b.scheme.form)) == (b.format_, b.scheme)


def _maybe(value: RecordedError | None) -> tuple[RecordedError, ...]:
    return () if value is None else (value,)
