"""An audit names what explains the errors of a recording, and where they are."""

from __future__ import annotations

import contextlib
import io
from dataclasses import replace

import numpy as np
import pytest
from adamax_conformance.impl.recording import record
from adamax_conformance.oracles.error_model import CORRECTLY_ROUNDED, ErrorModel, EvaluationScheme
from adamax_conformance.oracles.formats import Format
from adamax_conformance.oracles.verdict import Quantity, Status
from adamax_conformance.reference.rules import DOCUMENTED
from adamax_conformance.reports.audit import causes
from adamax_conformance.reports.audit.causes import find_causes
from adamax_conformance.reports.audit.element_reader import ElementReader
from adamax_conformance.reports.audit.manifest import read_manifest
from adamax_conformance.reports.audit.tallies import merge_results
from adamax_conformance.reports.audit.work_items import audit_work_item, plan
from adamax_conformance.reports.render.summary import summarize
from adamax_conformance.reports.reproduce.script import script
from adamax_conformance.tests.meta.audit.auditing import audited, said
from adamax_conformance.tests.meta.audit.wrong import Plain, record_run
from adamax_conformance.tests.meta.sampling import crossed


class Undecayed(Plain):
    """The second group has no decay."""

    def read(self, group, _t, own):
        return replace(own, weight_decay=0.0) if group == 1 else own


class Late(Plain):
    """A learning rate takes effect one step late."""

    def read(self, group, t, own):
        rates = self.__dict__.setdefault("rates", {})
        rates[group, t] = own.lr
        return replace(own, lr=rates.get((group, t - 1), own.lr))


class Ahead(Plain):
    """The bias correction is that of the next step."""

    def correction(self, beta1, t):
        return 1 - beta1 ** (t + 1)


class AheadLater(Plain):
    """The bias correction is that of the next step, from the fifth on."""

    def correction(self, beta1, t):
        return 1 - beta1 ** (t + (t >= 5))


class Swapped(Plain):
    """The betas are swapped."""

    def read(self, _group, _t, own):
        return replace(own, beta1=own.beta2, beta2=own.beta1)


class Scaled(Plain):
    """Theta is a little larger than it should be."""

    def after(self, theta, _i, _t):
        return theta * theta.dtype.type(1.001)


class OneElement(Plain):
    """An element is off by a few ulp, once."""

    def after(self, theta, i, t):
        if (i, t) == (2, 6):
            theta = theta.copy()
            theta[1, 3] += 8 * np.spacing(theta[1, 3])
        return theta


class OneTensor(Plain):
    """A tensor is off, from a step on, as no deviation of the catalogue has it."""

    def after(self, theta, i, t):
        return theta + theta**2 / 1024 if i == 1 and t >= 5 else theta


WRONG = [
    (Undecayed, "weight-decay-missing-in-second-group", "the second group has no weight_decay"),
    (Late, "lr-of-step-before", "a learning rate that is set takes effect one step late, in all tensors"),
    (Ahead, "correction-ahead", "the bias correction uses t + 1, in all tensors"),
    (AheadLater, "correction-ahead", "the bias correction uses t + 1, in all tensors from step 5 on"),
    (Swapped, "betas-swapped", "beta1 and beta2 are swapped, in all tensors"),
    (Scaled, "theta-times-1.001", "theta is multiplied by 1.001 after the step, in all tensors"),
    (OneElement, "", "one element of parameter 2 at step 6 is off"),
    (OneTensor, "", "theta is off in parameter 1 from step 5 on"),
]


def findings(kind, folder, dtype):
    """The findings on a recorded run, against the documented step."""
    record_run(kind, folder, dtype=dtype)
    manifest, name = read_manifest(folder), np.dtype(dtype).name
    scheme = EvaluationScheme().with_scalars(Format.of(name))
    model = ErrorModel(Format.of(name), DOCUMENTED, scheme, CORRECTLY_ROUNDED)
    reader = ElementReader(manifest)
    items = (audit_work_item(folder, reader.chunk_size, item, {name: model}) for item in plan(manifest))
    result = merge_results(items)
    tallies = {q.value: result.tallies[name, q] for q in (Quantity.M, Quantity.U, Quantity.THETA)}
    return find_causes(reader, sorted(manifest.steps), name, tallies)


@pytest.mark.parametrize(
    ("wrong", "dtype"),
    crossed(WRONG, [np.float32, np.float64]),
    ids=lambda each: getattr(each, "__name__", None),
)
def test_the_cause_and_the_place_of_the_errors_are_named(wrong, dtype, tmp_path):
    kind, slug, sentence = wrong
    found = findings(kind, tmp_path / "recording", dtype)
    assert [cause.slug for cause in found.causes] == [slug] * bool(slug)
    assert found.sentence == sentence


class HalfOfARow(Plain):
    """Every other element of a row of one tensor is off, from a step on."""

    def after(self, theta, i, t):
        theta = theta.copy()
        if i == 1 and t >= 3:
            theta[3, 1::2] *= theta.dtype.type(1.001)
        return theta


def test_tensors_of_one_shape_are_looked_at_in_the_same_elements(tmp_path, monkeypatch):
    monkeypatch.setattr(causes, "_SEARCH", 0.0)
    rng = np.random.default_rng(8)
    thetas = [rng.standard_normal((8, 40)).astype(np.float32) for _ in range(3)]
    optimizer = HalfOfARow([{"params": thetas, "weight_decay": 0.01}], lr=0.1)
    with record(optimizer, tmp_path / "recording"):
        for _ in range(4):
            optimizer([rng.standard_normal((8, 40)).astype(np.float32) for _ in thetas])
    code, found = audited(tmp_path / "recording", tmp_path / "report")
    assert code == 1
    assert [v.check for v in found.verdicts if v.status is Status.DIVERGES] == ["audit/lockstep/theta"]
    assert "theta is off in parameter 1 from step 3 on" in said(found, "audit/lockstep/theta").reason


def test_a_right_run_has_no_finding(tmp_path):
    assert findings(Plain, tmp_path / "recording", np.float32) is None


def test_the_report_opens_with_the_cause_and_its_script_shows_it(tmp_path):
    record_run(Undecayed, tmp_path / "recording")
    code, record = audited(tmp_path / "recording", tmp_path / "report")
    assert code == 1
    assert [v.check for v in record.verdicts if v.status is Status.DIVERGES] == [
        "rule/documented",
        "audit/lockstep/m",
        "audit/lockstep/u",
    ]
    words = "numpy: one cause explains 3 of 3 divergences: the second group has no weight_decay"
    assert summarize([record]).diagnoses[0].startswith(words)
    assert words in (tmp_path / "report" / "report.md").read_text(encoding="utf-8").replace("\\", "")
    verdict = said(record, "rule/documented")
    assert said(record, "rule/scalars").status is Status.SKIPPED
    assert verdict.divergence.reason.startswith("the second group has no weight_decay: m of parameter 1")
    for each in (verdict, said(record, "audit/lockstep/u")):
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(script(each), {})
        assert "diverges" in printed.getvalue()


def test_a_place_takes_the_place_of_an_unknown_rule(tmp_path):
    record_run(OneTensor, tmp_path / "recording")
    _, record = audited(tmp_path / "recording", tmp_path / "report")
    assert [v.check for v in record.verdicts if v.status is Status.DIVERGES] == ["audit/lockstep/theta"]
    assert said(record, "audit/lockstep/theta").reason.startswith(
        "theta is off in parameter 1 from step 5 on"
    )
