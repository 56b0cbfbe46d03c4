"""An optimizer of one's own is held to its own documentation."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.reference.rules import BiasCorrection, Decay, Epsilon, Rule
from adamax_conformance.reports import documentation_file

ROOT = Path(__file__).parents[3]
HEAD = 'title = "own.EpsOutside"\nsource = "https://example.org/own"\n'
RULE = HEAD + '[rule]\nepsilon = "in-denominator"\nascent = "none"\n'
GLOBS = [word for glob in ("contract/*", "rule/*") for word in ("--check", glob)]


@pytest.fixture
def check(run):
    """Check a class of `factories.py` that is documented by a text."""
    folder = run("--version").folder
    shutil.copy(Path(__file__).with_name("factories.py"), folder)

    def call(text, name="factories.py:EpsOutside"):
        (folder / "own.toml").write_text(text, encoding="utf-8")
        return run("check", name, "--dtype", "float32", "--documented-by", "own.toml", *GLOBS)

    return call


def test_it_conforms_to_a_documentation_that_says_what_it_does(check):
    ran = check(RULE + "[defaults]\nlr = 0.002\nbetas = [0.9, 0.999]\n[accepts]\nclauses = ['lr/zero']\n")
    assert ran.code == 0, ran.out
    found = {verdict.check: verdict for verdict in ran.verdicts()}
    assert "as own.EpsOutside documents (https://example.org/own)" in found["rule/documented"].reason
    assert found["contract/defaults"].status is Status.CONFORMS
    assert found["contract/lr/zero"].status is Status.CONFORMS
    assert found["contract/lr/string"].status is Status.UNSPECIFIED
    assert found["contract/lr/string"].reason == "accepted (own.EpsOutside does not say)"
    assert found["contract/maximize/true"].status is Status.SKIPPED
    assert {each.status for each in found.values()} <= {Status.CONFORMS, Status.UNSPECIFIED, Status.SKIPPED}


def test_it_diverges_from_a_documentation_that_says_something_else(check):
    ran = check(
        HEAD + "[rule]\nascent = 'none'\ndecay = 'decoupled'\n[defaults]\nlr = 0.001\n"
        "[raises]\n'eps/negative' = 'ArithmeticError'\n"
    )
    assert ran.diverging() == {"rule/documented", "contract/defaults", "contract/eps/negative"}
    reasons = {verdict.check: verdict.reason for verdict in ran.verdicts(Status.DIVERGES)}
    assert "other than own.EpsOutside documents" in reasons["rule/documented"]
    assert "lr is 0.002; own.EpsOutside documents lr=0.001" in reasons["contract/defaults"]
    assert (
        "own.EpsOutside documents ArithmeticError (https://example.org/own)"
        in reasons["contract/eps/negative"]
    )
    assert "--documented-by own.toml" in ran.verdicts()[0].reproduce


def test_the_exception_that_is_documented_is_asked_for_and_not_another(check):
    text = HEAD + "[raises]\n'eps/negative*' = 'ValueError'\n'lr/string' = 'KeyError'\n"
    ran = check(text, "optimizers.py:Adamax")
    assert ran.diverging() == {"contract/lr/string"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("title = 'x'", "'source' is a required property"),
        (HEAD + "rules = 1", "'rules' was unexpected"),
        (HEAD + "[rule]\nepsilon = 'outside'", "rule/epsilon: 'outside' is not one of"),
        (HEAD + "[defaults]\nbetas = [0.9, 1.0]", "defaults/betas/1: 1.0 is greater than or equal to"),
        (HEAD + "[defaults]\nlr = true", "defaults/lr: True is not of type 'number'"),
        (HEAD + "required = ['lr']\n[defaults]\nlr = 1", "has a default of lr, which it says is required"),
        (HEAD + "[raises]\n'lr/strng' = 'E'", "did you mean lr/string?"),
        (HEAD + "[raises]\n'nothing*' = 'E'", "adamax-conformance checks 'contract/*' lists them"),
        (
            HEAD + "[raises]\n'lr/*' = 'E'\n[accepts]\nclauses=['lr/zero']",
            "says of lr/zero that it raises, and",
        ),
        (HEAD + "[raises]\n'lr/*' = 'an error'", "does not match"),
        ("title", "is not TOML"),
    ],
)
def test_a_file_that_states_something_else_is_one_line(tmp_path, text, said):
    path = tmp_path / "own.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(documentation_file.DocumentationError) as found:
        documentation_file.load(path)
    assert said in str(found.value)
    assert len(str(found.value).splitlines()) == 1


def test_a_file_that_is_missing_or_for_a_framework_is_wrong_use(run):
    missing = run("check", "optimizers.py:Adamax", "--documented-by", "nowhere.toml")
    (run("--version").folder / "own.toml").write_text(HEAD, encoding="utf-8")
    builtin = run("check", "numpy", "--documented-by", "own.toml")
    for ran, said in ((missing, "nowhere.toml cannot be read"), (builtin, "numpy is none")):
        assert (ran.code, len(ran.err.splitlines())) == (2, 1)
        assert said in ran.err


def test_every_part_that_is_stated_is_read(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(
        "silent = ['bias-correction']\nrequired = ['eps']\n"
        + RULE
        + "decay = 'l2'\n[defaults]\nbetas=[0, 0.5]\n"
    )
    own = documentation_file.load(path)
    assert own.rule.epsilon is Epsilon.IN_DENOMINATOR
    assert own.states(Rule(Epsilon.IN_DENOMINATOR, BiasCorrection.NONE, Decay.L2, own.rule.ascent))
    assert (own.required, own.defaults) == (("eps",), {"betas": (0, 0.5)})


def test_the_snippet_of_the_readme_is_one(tmp_path):
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("`--documented-by FILE`")[2]
    path = tmp_path / "own.toml"
    path.write_text(text.partition("```toml\n")[2].partition("```")[0], encoding="utf-8")
    assert documentation_file.load(path).accepts == ("lr/zero", "weight-decay/float")
