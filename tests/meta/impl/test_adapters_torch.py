"""PyTorch's optimizer, compared with a direct call."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from adamax_conformance.impl.protocol import errors
from adamax_conformance.impl.protocol.messages import Schedule
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.reference.case import Layout
from adamax_conformance.reports import api
from adamax_conformance.reports.record.diagnosis import diagnosis_in_words

torch = pytest.importorskip("torch")

THETA = np.array([[0.5, -1.25, 2.0], [0.0, 8.0, -0.375]])
GRADIENTS = [np.array([[1.0, -0.5, 0.0], [2.0, 0.25, -4.0]]), np.array([[0.5, 0.5, 1.0], [0.0, -1.0, 3.0]])]
DTYPES = ("float16", "bfloat16", "float32", "float64")
CLASSES = Path(__file__).with_name("torch_classes.py")
MODES = ("torch", "torch[foreach]", "torch[differentiable]", "torch[tensor-lr]")


@pytest.fixture(scope="module")
def subjects():
    """One process for each name, started when it is needed."""
    running = {}

    def get(name):
        if name not in running:
            running[name] = Subject.open(name)
        return running[name]

    yield get
    for subject in running.values():
        subject.close()


def alone(dtype, **options):
    """Run torch directly."""
    parameter = torch.tensor(THETA).to(getattr(torch, dtype)).requires_grad_()
    optimizer = torch.optim.Adamax([parameter], **options)
    for gradient in GRADIENTS:
        parameter.grad = torch.tensor(gradient).to(parameter.dtype)
        optimizer.step()
    state = optimizer.state[parameter]
    return [x.detach().double().tolist() for x in (parameter, state["exp_avg"], state["exp_inf"])]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", MODES)
def test_every_mode_and_dtype_gives_what_torch_gives_alone(subjects, name, dtype):
    subject = subjects(name)
    handle = subject.construct([({"lr": 0.125, "weight_decay": 0.5}, [THETA])], dtype)
    result = [subject.step(handle, [g]) for g in GRADIENTS][-1]
    mode = {"torch[foreach]": {"foreach": True}, "torch[differentiable]": {"foreach": False}}
    expected = alone(dtype, lr=0.125, weight_decay=0.5, **mode.get(name, {"foreach": False}))
    assert [x.tolist() for (x,) in (result.theta, result.m, result.u)] == expected


@pytest.mark.parametrize(
    ("name", "option"),
    [("torch", "foreach"), ("torch[foreach]", "foreach"), ("torch[differentiable]", "differentiable")],
)
def test_a_mode_is_an_argument_of_the_optimizer(subjects, name, option):
    subject = subjects(name)
    handle = subject.construct([({}, [THETA])], "float32")
    (group,) = subject.read(handle).groups
    assert group[option] is (name != "torch")


def test_a_learning_rate_is_a_tensor_where_the_mode_says_so(subjects):
    subject = subjects("torch[tensor-lr]")
    handle = subject.construct([({"lr": 0.125}, [THETA])], "float32")
    (group,) = subject.read(handle).groups
    assert isinstance(group["lr"], np.ndarray)
    assert subject.step(handle, GRADIENTS[:1], lr=[0.1]).lr == (0.1,)


def test_an_array_becomes_a_tensor(subjects):
    subject = subjects("torch")
    handle = subject.construct([({"lr": np.array(0.1)}, [THETA])], "float32")
    (group,) = subject.read(handle).groups
    assert isinstance(group["lr"], np.ndarray)
    assert subject.step(handle, GRADIENTS[:1]).lr == (0.1,)
    with pytest.raises(errors.RejectedError, match="Tensor lr must be 1-element"):
        subject.construct([({"lr": np.array([0.1, 0.2])}, [THETA])], "float32")


@pytest.mark.parametrize("layout", [Layout.CONTIGUOUS, Layout.STRIDED, Layout.TRANSPOSED])
@pytest.mark.parametrize("name", MODES)
def test_every_layout_that_torch_has_is_taken(subjects, name, layout):
    subject = subjects(name)
    handle = subject.construct([({"lr": 0.125, "weight_decay": 0.5}, [THETA])], "float64", layout=layout)
    result = [subject.step(handle, [g]) for g in GRADIENTS][-1]
    expected = np.array(alone("float64", lr=0.125, weight_decay=0.5, foreach=False)[0])
    assert result.theta[0].tolist() == pytest.approx(expected, rel=0, abs=0)


def test_a_negative_stride_is_skipped_in_torchs_words(subjects):
    with pytest.raises(
        errors.SkippedError, match="tensors with negative strides are not currently supported"
    ):
        subjects("torch").construct([({}, [THETA])], "float32", layout=Layout.REVERSED)


@pytest.mark.parametrize("shape", [(), (0,), (2, 0, 3)])
@pytest.mark.parametrize("name", MODES)
def test_parameters_without_dimensions_or_elements_are_taken(subjects, name, shape):
    subject = subjects(name)
    handle = subject.construct([({"lr": 0.5}, [np.ones(shape)])], "float32")
    assert subject.step(handle, [np.ones(shape)]).theta[0].shape == shape


def test_the_state_cannot_be_seen_before_the_first_step(subjects):
    subject = subjects("torch")
    handle = subject.construct([({}, [THETA])], "float32")
    state = subject.read(handle).state
    assert (state.m, state.u) == (None, None)
    assert state.theta[0].tolist() == THETA.tolist()


def test_groups_keep_their_own_options(subjects):
    subject = subjects("torch")
    handle = subject.construct([({"lr": 0.5}, [THETA]), ({"lr": 0.25, "maximize": True}, [THETA])], "float32")
    first, second = subject.read(handle).groups
    assert (first["lr"], first["maximize"], second["lr"], second["maximize"]) == (0.5, False, 0.25, True)
    result = subject.step(handle, [GRADIENTS[0], GRADIENTS[0]], lr=[None, 2.0])
    assert result.lr == (0.5, 2.0)
    assert (result.m[0] == -result.m[1]).all()


def test_a_checkpoint_resumes_bit_for_bit(subjects):
    subject = subjects("torch")
    straight = subject.construct([({"lr": 0.125}, [THETA])], "float32")
    resumed = subject.construct([({"lr": 0.125}, [THETA])], "float32")
    for handle in (straight, resumed):
        subject.step(handle, GRADIENTS[:1])
    subject.load(resumed, subject.save(resumed))
    left, right = (subject.step(handle, GRADIENTS[1:]) for handle in (straight, resumed))
    for name in ("theta", "m", "u"):
        assert getattr(left, name)[0].tolist() == getattr(right, name)[0].tolist()


def test_what_torch_refuses_is_told_with_its_class(subjects):
    with pytest.raises(errors.RejectedError, match="Invalid learning rate") as caught:
        subjects("torch").construct([({"lr": -1.0}, [THETA])], "float32")
    assert caught.value.type == "ValueError"


def test_what_is_there_is_said(subjects):
    info = subjects("torch[foreach]").info
    assert (info.name, info.framework, info.mode) == ("torch[foreach]", "torch", "foreach")
    assert info.version == torch.__version__
    assert info.dtypes == DTYPES
    assert info.devices[0] == "cpu"
    assert Layout.REVERSED not in info.layouts
    assert info.keyword_only_maximize is True
    assert info.defaults["betas"] == (0.9, 0.999)


def test_capturable_says_that_it_needs_an_accelerator():
    with pytest.raises(errors.UnsupportedDeviceError, match=r"torch\[capturable\] needs an accelerator"):
        Subject.open("torch[capturable]", in_process=True)


def test_an_accelerator_that_is_not_there_is_unsupported():
    with pytest.raises(errors.UnsupportedDeviceError, match="finds no xpu here; there is cpu"):
        Subject.open("torch", device="xpu", in_process=True)


@pytest.mark.parametrize("device", ["meta", "hpu", "privateuseone:0"])
def test_a_device_that_is_named_and_holds_no_numbers_is_refused(device):
    with pytest.raises(errors.UnsupportedDeviceError, match=f"finds no {device} here; there is cpu"):
        Subject.open("torch", device=device, in_process=True)


def test_a_device_that_has_to_be_named_is_used():
    with Subject.open("torch", device="cpu:0") as subject:
        assert subject.info.device == "cpu:0"
        handle = subject.construct([({"lr": 0.1}, [np.zeros(2)])], "float32")
        after = subject.step(handle, (np.array([1.0, -1.0]),))
    np.testing.assert_array_equal(np.sign(after.theta[0]), [-1, 1])


def test_anyones_optimizer_class_is_a_subject(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "import torch\n"
        "class Quick(torch.optim.Adamax):\n"
        "    def __init__(self, params, **options):\n"
        "        super().__init__(params, **options)\n"
    )
    monkeypatch.chdir(tmp_path)
    with Subject.open("torch:mine.Quick") as subject:
        handle = subject.construct([({"lr": 0.125, "weight_decay": 0.5}, [THETA])], "float32")
        result = [subject.step(handle, [g]) for g in GRADIENTS][-1]
        assert result.theta[0].tolist() == alone("float32", lr=0.125, weight_decay=0.5)[0]
        assert subject.info.keyword_only_maximize is None


def test_a_class_that_is_not_there_is_unavailable():
    with pytest.raises(errors.UnavailableError, match=r"torch\.optim has no attribute 'Adamaximum'"):
        Subject.open("torch:torch.optim.Adamaximum", in_process=True)


def test_an_optimizer_without_infinity_norm_shows_none():
    with Subject.open("torch:torch.optim.Adam", in_process=True) as subject:
        handle = subject.construct([({}, [THETA])], "float32")
        result = subject.step(handle, GRADIENTS[:1])
        assert result.m is not None
        assert result.u is None


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (Schedule("StepLR", {"step_size": 1, "gamma": 0.5}), (1.0, 0.5, 0.25)),
        (Schedule("LambdaLR", {"lr_lambda": (0.5, 1.0, 0.25, 1.0)}), (0.5, 1.0, 0.25)),
        (Schedule("ReduceLROnPlateau", {"patience": 0, "factor": 0.5}), (1.0, 1.0, 0.5)),
        (
            Schedule(
                "SequentialLR",
                {"milestones": [1]},
                (
                    Schedule("ConstantLR", {"factor": 0.5, "total_iters": 1}),
                    Schedule("ExponentialLR", {"gamma": 0.5}),
                ),
            ),
            (0.5, 1.0, 0.5),
        ),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_scheduler_of_its_own_drives_the_optimizer(subjects, schedule, rates):
    subject = subjects("torch")
    assert schedule.name in subject.info.schedulers
    handle = subject.construct([({"lr": 1.0}, [THETA])], "float32", schedule=schedule)
    metric = 1.0 if schedule.name == "ReduceLROnPlateau" else None
    assert tuple(subject.step(handle, [GRADIENTS[0]], metric=metric).lr[0] for _ in rates) == rates


def test_a_scheduler_that_is_not_there_is_skipped(subjects):
    with pytest.raises(errors.SkippedError, match="has no Nonesuch; there are"):
        subjects("torch").construct([({}, [THETA])], "float32", schedule=Schedule("Nonesuch"))


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_functional_form_gives_what_the_optimizer_gives(subjects, dtype):
    subject = subjects("torch[functional]")
    options = {"lr": 0.125, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": 0.5, "maximize": False}
    handle = subject.construct([(options, [THETA])], dtype)
    result = [subject.step(handle, [g]) for g in GRADIENTS][-1]
    expected = alone(dtype, foreach=False, **options)
    assert [x.tolist() for (x,) in (result.theta, result.m, result.u)] == expected
    assert result.lr is None


def test_the_functional_form_says_what_it_has_not(subjects):
    subject = subjects("torch[functional]")
    has = dict(subject.info.has)
    assert (has.pop("lives"), has.pop("runs"), has.pop("features")) == (True, True, False)
    assert has == {"state": True, "groups": False, "set_lr": False, "save": False}
    with pytest.raises(errors.SkippedError, match="one param_group"):
        subject.construct([({"lr": 0.5}, [THETA])], "float32", plain=False)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("torch.optim:Adamax", "check it as torch:torch.optim.Adamax"),
        ("torch:torch.optim.SGD", "neither betas nor eps, so it is not an Adamax"),
        ("torch:fractions.Fraction", "not derived from torch.optim.Optimizer"),
    ],
)
def test_what_is_no_adamax_of_torch_is_refused_with_the_right_spelling(name, said):
    for in_process in (True, False):
        with pytest.raises(errors.UnknownSubjectError, match=re.escape(said)):
            Subject.open(name, in_process=in_process)


def test_a_class_in_a_file_is_a_subject_and_its_state_has_the_names_that_are_given(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "import torch\n"
        "class Mine(torch.optim.Adamax):\n"
        "    def step(self):\n"
        "        super().step()\n"
        "        for state in self.state.values():\n"
        "            state['m'], state['norm'] = state['exp_avg'], state['exp_inf']\n"
    )
    monkeypatch.chdir(tmp_path)
    with Subject.open("torch:mine.py:Mine", state=("m", "norm")) as subject:
        handle = subject.construct([({}, [THETA])], "float32")
        result = subject.step(handle, GRADIENTS[:1])
        assert result.m is not None
        assert result.u is not None
    with Subject.open("torch:mine.py:Mine", state=("m", "other")) as subject:
        handle = subject.construct([({}, [THETA])], "float32")
        assert subject.step(handle, GRADIENTS[:1]).u is None


def causes(report):
    (entry,) = report.record.diagnoses
    return diagnosis_in_words(entry, 0)


def test_torch_s_own_class_is_judged_as_torch_is():
    checks = ("rule/*", "contract/lr/*", "contract/maximize-*", "lives/*-kept", "lives/aliased-*")
    report = api.check("torch:torch.optim.Adamax", dtypes=["float32"], checks=checks)
    assert report.ok, str(report)


def test_the_rule_of_a_class_like_fairseq_s_and_that_it_changes_the_gradient_are_said():
    checks = ("rule/*", "relations/gradient-untouched", "contract/lr/array")
    report = api.check(f"torch:{CLASSES}:LikeFairseq", dtypes=["float32"], checks=checks)
    causes_of = {check: finding.cause for finding in report.findings for check in finding.checks}
    assert set(causes_of) == {"rule/documented", "relations/gradient-untouched", "contract/lr/array"}
    assert "divided by u + eps; lr*weight_decay*theta is taken from theta" in causes_of["rule/documented"]
    assert "the step changed the gradient it was given" in causes_of["relations/gradient-untouched"]
    words = causes(report)
    assert "eps is added where u divides" in words
    assert "the weight decay is decoupled" in words
    assert words.endswith(
        "besides, the gradient that was passed is changed; theta is off only with lr given as 0-d array"
    )


def test_the_lives_of_a_class_whose_state_has_other_names_are_judged():
    checks = ["lives/sizes", "lives/set-lr", "lives/groups", "lives/shared-gradient"]
    report = api.check(f"torch:{CLASSES}:EpsOutside", dtypes=["float32"], checks=checks)
    statuses = {verdict.check: verdict.status.value for verdict in report.verdicts}
    for check in checks:
        assert statuses[check] == "conforms"
    assert "eps is added where u divides" in causes(report)
