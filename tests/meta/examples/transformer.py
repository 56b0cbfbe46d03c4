"""Train a small transformer on text with everything that people do, and record it.

`python -m adamax_conformance.tests.meta.examples.transformer RECORDING [--stale]` trains 200 steps: decay groups,
clipped gradients of two batches each, a schedule, bfloat16 autocast and tied weights. The text is that which comes with
scikit-learn, byte by byte. With `--stale`, the learning rate of one tensor stays as it is from step 50 on.
"""

from __future__ import annotations

import argparse
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from adamax_conformance.impl.recording import record
from torch import nn
from torch.nn import functional

STEPS = 200
STALE_FROM = 50
VICTIM = "blocks.1.up.weight"
WIDTH, HEADS, LAYERS, LENGTH, BATCH = 144, 4, 4, 64, 8


class Block(nn.Module):
    """Attention and two dense layers, each behind a norm."""

    def __init__(self) -> None:
        super().__init__()
        self.before = nn.LayerNorm(WIDTH)
        self.mixed = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        self.between = nn.LayerNorm(WIDTH)
        self.up = nn.Linear(WIDTH, 4 * WIDTH)
        self.down = nn.Linear(4 * WIDTH, WIDTH)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = (*x.shape[:2], HEADS, WIDTH // HEADS)
        q, k, v = (part.reshape(size).transpose(1, 2) for part in self.mixed(self.before(x)).chunk(3, -1))
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).reshape(x.shape))
        return x + self.down(functional.gelu(self.up(self.between(x))))


class Transformer(nn.Module):
    """A language model of bytes with some 10^6 parameters and tied embeddings."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(256, WIDTH)
        self.position = nn.Parameter(torch.randn(LENGTH, WIDTH) / 50)
        self.blocks = nn.ModuleList(Block() for _ in range(LAYERS))
        self.norm = nn.LayerNorm(WIDTH)
        self.last = nn.Linear(WIDTH, 256, bias=False)
        nn.init.normal_(self.embedding.weight, std=0.02)
        self.last.weight = self.embedding.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embedding(x) + self.position
        for block in self.blocks:
            x = block(x)
        return self.last(self.norm(x))


class Stale(torch.optim.Adamax):
    """From step 50 on, one tensor moves by the learning rate of that step."""

    victim: torch.Tensor
    taken = 0
    rate = 0.0

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Take a step, and repeat the last operation of one tensor."""
        before, group = self.victim.clone(), self.param_groups[0]
        loss = super().step(closure)
        self.taken += 1
        if self.taken == STALE_FROM:
            self.rate = group["lr"]
        if self.taken > STALE_FROM:
            state = self.state[self.victim]
            rate = self.rate / (1 - group["betas"][0] ** self.taken)
            self.victim.copy_(before.addcdiv(state["exp_avg"], state["exp_inf"], value=-rate))
        return loss


def text() -> torch.Tensor:
    """The descriptions of scikit-learn's data sets, as bytes."""
    folder = files("sklearn.datasets").joinpath("descr")
    pages = sorted((page for page in folder.iterdir() if page.name.endswith(".rst")), key=lambda p: p.name)
    return torch.tensor(list(b"".join(page.read_bytes() for page in pages)))


def train(recording: Path, *, stale: bool, steps: int = STEPS) -> list[float]:
    """Train, and return the loss of each step."""
    torch.manual_seed(0)
    model, data = Transformer(), text()
    named = dict(model.named_parameters())
    groups = [
        {"params": [(name, p) for name, p in named.items() if p.ndim > 1], "weight_decay": 0.01},
        {"params": [(name, p) for name, p in named.items() if p.ndim == 1], "weight_decay": 0.0},
    ]
    optimizer = (Stale if stale else torch.optim.Adamax)(groups, lr=4e-3)
    if isinstance(optimizer, Stale):
        optimizer.victim = named[VICTIM]
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 4e-3, total_steps=steps + 1, cycle_momentum=False
    )
    losses = []
    with record(optimizer, recording):
        for _ in range(steps):
            optimizer.zero_grad()
            loss = 0.0
            for _ in range(2):
                starts = torch.randint(len(data) - LENGTH - 1, (BATCH,))
                batch = torch.stack([data[start : start + LENGTH + 1] for start in starts])
                with torch.autocast("cpu", torch.bfloat16):
                    answers = model(batch[:, :-1])
                part = functional.cross_entropy(answers.float().flatten(0, 1), batch[:, 1:].flatten()) / 2
                part.backward()
                loss += part.item()
            torch.nn.utils.clip_grad_norm_(named.values(), 1.0)
            optimizer.step()
            schedule.step()
            losses.append(loss)
    return losses


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("recording", type=Path)
    parser.add_argument("--stale", action="store_true")
    parser.add_argument("--steps", type=int, default=STEPS)
    chosen = parser.parse_args()
    print(*train(chosen.recording, stale=chosen.stale, steps=chosen.steps))
