# SPDX-License-Identifier: Apache-2.0
"""What training does faster than the libraries it stands for: the same numbers."""
import pathlib
import sys

import torch
from transformers.models.gemma3n import modeling_gemma3n as reference

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
STOCK = reference.Gemma3nTextDecoderLayer.forward  # before training puts its own in its place

from training import fused  # noqa: E402
from training.model import Trainee  # noqa: E402
from training.optimizer import Muon  # noqa: E402


def logits_and_gradients(trainee, ids):
    trainee.zero_grad()
    logits, labels = trainee.logits({"ids": ids, "labels": ids}, {})
    torch.nn.functional.cross_entropy(logits, labels).backward()
    return logits.detach(), {n: p.grad.clone() for n, p in trainee.named_parameters() if p.grad is not None}


def test_fused_layer_is_the_references(monkeypatch):
    """All layers at full width: sliding and full, sparse and dense, with keys of their own and shared."""
    torch.manual_seed(1)
    trainee = Trainee(characters=1)
    ids = torch.randint(20, 1000, (2, 70))  # longer than the window
    monkeypatch.setattr(reference.Gemma3nTextDecoderLayer, "forward", STOCK)
    logits, gradients = logits_and_gradients(trainee, ids)
    monkeypatch.setattr(reference.Gemma3nTextDecoderLayer, "forward", fused.layer_forward)
    ours, our_gradients = logits_and_gradients(trainee, ids)
    assert (ours - logits).abs().max() < 1e-4 * logits.abs().max()
    assert our_gradients.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert (our_gradients[name] - gradient).norm() <= 1e-3 * gradient.norm() + 1e-7, name


def test_muon_steps_as_torchs():
    """Two steps on wide and tall matrices; torch's own computes in bfloat16."""
    torch.manual_seed(1)
    ours = [torch.nn.Parameter(torch.randn(shape)) for shape in ((16, 64), (16, 64), (64, 16))]
    theirs = [torch.nn.Parameter(p.detach().clone()) for p in ours]
    before = [p.detach().clone() for p in ours]
    optimizers = (Muon([{"params": ours, "lr": 0.01}]),
                  torch.optim.Muon(theirs, lr=0.01, weight_decay=0.05, momentum=0.95,
                                   adjust_lr_fn="match_rms_adamw"))
    for _ in range(2):
        for a, b in zip(ours, theirs):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        for optimizer in optimizers:
            optimizer.step()
    for a, b, start in zip(ours, theirs, before):
        assert (a - b).norm() < 0.05 * (a - start).norm()
