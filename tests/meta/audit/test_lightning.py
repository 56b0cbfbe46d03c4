"""Lightning's Trainer resumes a checkpoint inside of `record`."""

from __future__ import annotations

import pytest
from adamax_conformance.impl.recording import record
from adamax_conformance.oracles.verdict import Status
from adamax_conformance.tests.meta.audit.auditing import audited, said

torch = pytest.importorskip("torch")
lightning = pytest.importorskip(
    "pytorch_lightning",
    reason="pytorch-lightning is not installed: it is in the environments of torch of tox",
)

WRONG = {Status.DIVERGES, Status.BROKEN}
SIZE = 6 * 4 + 4


class Forgets(torch.optim.Adamax):
    """The first step after a checkpoint was loaded begins from an m of 0."""

    forgets = False

    def load_state_dict(self, state_dict):
        super().load_state_dict(state_dict)
        self.forgets = True

    def _init_group(self, group, *lists):
        result = super()._init_group(group, *lists)
        if self.forgets:
            for state in self.state.values():
                state["exp_avg"].zero_()
            self.forgets = False
        return result


class Training(lightning.LightningModule):
    """A linear layer on numbers that are drawn."""

    def __init__(self, kind):
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Linear(6, 4)
        self.optimizer = kind(self.layer.parameters(), lr=0.05)

    def training_step(self, batch, _):
        return self.layer(batch).square().mean()

    def configure_optimizers(self):
        return self.optimizer

    def train_dataloader(self):
        return torch.randn(4, 8, 6, generator=torch.Generator().manual_seed(1))


def trainer(folder, epochs):
    return lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        gradient_clip_val=0.5,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )


@pytest.mark.filterwarnings("ignore")  # of Lightning, about what is slow, and of torch under it
@pytest.mark.parametrize("kind", [torch.optim.Adamax, Forgets])
def test_a_checkpoint_that_the_trainer_resumes_inside_of_the_block(tmp_path, kind):
    first, before = trainer(tmp_path, 1), Training(kind)
    first.fit(before)
    first.save_checkpoint(tmp_path / "checkpoint")
    module = Training(kind)
    with record(module.optimizer, tmp_path / "recording", model=module) as recording:
        trainer(tmp_path, 3).fit(module, ckpt_path=tmp_path / "checkpoint")
    assert recording.recorded == 8
    code, found = audited(tmp_path / "recording", tmp_path / "report")
    wrong = [verdict.check for verdict in found.verdicts if verdict.status in WRONG]
    assert said(found, "audit/lockstep/theta").measured["judged"] == 8 * SIZE
    assert said(found, "audit/count").status is Status.CONFORMS
    if kind is Forgets:
        assert (code, wrong) == (1, ["rule/documented", "audit/lockstep/m"])
        assert said(found, "audit/lockstep/m").reason.startswith("m start again at step 5, in all tensors")
    else:
        assert (code, wrong) == (0, [])
        assert said(found, "audit/outside").status is Status.SKIPPED
