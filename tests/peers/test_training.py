# SPDX-License-Identifier: Apache-2.0
"""What training does faster than the libraries it stands for: the same numbers."""
import pathlib
import sys

import torch
from transformers.models.gemma3n import modeling_gemma3n as reference

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent))
STOCK = reference.Gemma3nTextDecoderLayer.forward  # before training puts its own in its place

from training import fused, parallel  # noqa: E402
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


def _one_gradient(options, rank):
    """The work of one process: parameters whose gradients are 1 and 2 in the first, 3 and 4 in the second."""
    parameters = [torch.nn.Parameter(torch.zeros(2, 3)), torch.nn.Parameter(torch.zeros(5)),
                  torch.nn.Parameter(torch.zeros(1))]  # the last has none
    for i, parameter in enumerate(parameters[:2]):
        parameter.grad = torch.full_like(parameter, float(1 + i + 2 * rank))
    parallel.average_gradients(parameters)
    said = parallel.first_says(0.25 + rank)
    torch.save(([p.grad for p in parameters], said), options / f"{rank}.pt")


def test_processes_train_as_one(tmp_path):
    parallel.run(_one_gradient, 2, tmp_path)
    for rank in (0, 1):
        gradients, said = torch.load(tmp_path / f"{rank}.pt")
        assert torch.equal(gradients[0], torch.full((2, 3), 2.0)) and torch.equal(gradients[1], torch.full((5,), 3.0))
        assert gradients[2] is None and said == 0.25
