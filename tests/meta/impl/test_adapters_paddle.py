"""PaddlePaddle's optimizer, compared with a direct call."""

from __future__ import annotations

import numpy as np
import pytest
from adamax_conformance.impl.protocol import errors
from adamax_conformance.impl.protocol.messages import Schedule
from adamax_conformance.impl.subject.client import Subject
from adamax_conformance.reference.case import Layout

pytest.importorskip("paddle", exc_type=ImportError)

THETA = np.array([[0.5, -1.25, 2.0], [0.0, 8.0, -0.375]])
GRADIENTS = [np.array([[1.0, -0.5, 0.0], [2.0, 0.25, -4.0]]), np.array([[0.5, 0.5, 1.0], [0.0, -1.0, 3.0]])]
DTYPES = ("float32", "float64")


@pytest.fixture(scope="module")
def subject():
    with Subject.open("paddle") as running:
        yield running


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("decay", [0.0, 0.25])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype_gives_what_paddle_gives_alone(subject, dtype, decay):
    import paddle  # noqa: PLC0415 - it warns when it is imported

    options = {"lr": 0.1, "betas": (0.7, 0.9), "eps": 0.3, "weight_decay": decay}
    handle = subject.construct([(options, [THETA])], dtype)
    result = [subject.step(handle, [g]) for g in GRADIENTS][-1]
    theta = paddle.create_parameter(list(THETA.shape), dtype)
    theta.set_value(paddle.to_tensor(THETA, dtype=dtype))
    own = paddle.optimizer.Adamax(0.1, 0.7, 0.9, 0.3, [theta], weight_decay=decay)
    for gradient in GRADIENTS:
        (theta * paddle.to_tensor(gradient, dtype=dtype)).sum().backward()
        own.step()
        own.clear_grad()
    expected = [theta.numpy().astype(np.float64).tolist()]
    assert [x.tolist() for x in result.theta] == expected


def test_its_arguments_and_defaults_are_told(subject):
    assert subject.info.arguments == ("lr", "betas", "eps", "weight_decay")
    assert subject.info.defaults == {"lr": 1e-3, "betas": (0.9, 0.999), "eps": 1e-8, "weight_decay": None}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_format_that_it_does_not_compute_in_is_refused_in_its_own_words(subject, dtype):
    assert subject.info.dtypes == DTYPES
    with pytest.raises(errors.UnsupportedDtypeError, match=r"kernel `adamax` is not registered"):
        subject.construct([({}, [THETA])], dtype)


def test_each_group_has_its_own_options_and_learning_rate(subject):
    handle = subject.construct(
        [({"lr": 0.5, "weight_decay": 1.0}, [THETA]), ({"lr": 0.25}, [THETA[0], THETA])], "float64"
    )
    gradients = [0 * GRADIENTS[0], GRADIENTS[0][0], GRADIENTS[0]]
    result = subject.step(handle, gradients)
    assert result.lr == (0.5, 0.25)
    assert result.u[0].tolist() == abs(THETA).clip(min=float(np.float32(1e-8))).tolist()
    assert subject.step(handle, gradients, lr=[None, 0.125]).lr == (0.5, 0.125)


def test_the_learning_rate_of_a_plain_list_is_set(subject):
    handle = subject.construct([({"lr": 0.5}, [np.ones(1)])], "float32")
    assert subject.step(handle, [np.ones(1)], lr=[0.25]).theta[0].tolist() == [0.75]


@pytest.mark.parametrize("groups", [1, 2])
def test_a_checkpoint_resumes_bit_for_bit(subject, groups):
    given = [({"lr": 0.5}, [THETA]), ({"lr": 0.25}, [THETA])][:groups]
    straight, resumed = (subject.construct(given, "float32") for _ in range(2))
    for handle in (straight, resumed):
        subject.step(handle, [GRADIENTS[0]] * groups)
    subject.load(resumed, subject.save(resumed))
    left, right = (subject.step(handle, [GRADIENTS[1]] * groups) for handle in (straight, resumed))
    for quantity in ("theta", "m", "u"):
        assert [x.tolist() for x in getattr(left, quantity)] == [x.tolist() for x in getattr(right, quantity)]


@pytest.mark.parametrize(
    ("schedule", "rates"),
    [
        (Schedule("StepLR", {"step_size": 1, "gamma": 0.5}), (1.0, 0.5, 0.25)),
        (Schedule("LambdaLR", {"lr_lambda": (0.5, 1.0, 0.25, 1.0)}), (0.5, 1.0, 0.25)),
        (Schedule("LinearLR", {"start_factor": 0.5, "end_factor": 1.0, "total_iters": 2}), (0.5, 0.75, 1.0)),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_scheduler_of_its_own_drives_all_groups(subject, schedule, rates):
    handle = subject.construct(
        [({"lr": 1.0}, [THETA]), ({"lr": 0.25}, [THETA])], "float32", schedule=schedule
    )
    seen = [subject.step(handle, [GRADIENTS[0]] * 2).lr for _ in rates]
    assert seen == [(rate, 0.25 * rate) for rate in rates]


def test_a_scheduler_that_is_not_there_is_skipped(subject):
    with pytest.raises(errors.SkippedError, match="has no Nonesuch of this formula"):
        subject.construct([({}, [THETA])], "float32", schedule=Schedule("Nonesuch"))


def test_what_it_refuses_is_told_with_its_class(subject):
    with pytest.raises(errors.RejectedError, match="expect beta1 in") as caught:
        subject.construct([({"betas": (1.0, 0.9)}, [THETA])], "float32")
    assert caught.value.type == "ValueError"


def test_a_layout_is_skipped(subject):
    with pytest.raises(errors.SkippedError, match="no parameter is strided"):
        subject.construct([({}, [THETA])], "float32", layout=Layout.STRIDED)


@pytest.mark.parametrize("device", ["cuda", "mps"])
def test_a_device_that_is_not_there_is_unsupported_in_one_line(subject, device):
    if device in subject.info.devices:
        pytest.skip(f"{device} is there")
    with pytest.raises(errors.UnsupportedDeviceError) as caught:
        Subject.open("paddle", device=device)
    assert "\n" not in str(caught.value)
