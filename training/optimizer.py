# SPDX-License-Identifier: Apache-2.0
"""Muon for the matrices of the decoder and the conformer, AdamW for all else, as one optimizer.

In a trial of 175 text steps of 16 conversations Muon reached a loss of 1.61 where AdamW alone had 1.70.
"""
import math

import torch


def _is_matrix(name, parameter):
    return parameter.dim() == 2 and "embed_tokens" not in name and "vision_tower" not in name and \
        not name.startswith(("ctc", "corner", "digit")) and "embedding" not in name


def _of(groups, matrices):
    return [{"params": parameters, "scale": scale}
            for (matrix, scale), parameters in groups.items() if matrix == matrices]


class Optimizer:
    """Steps Muon and AdamW together. Towers that were trained by themselves before learn at a fraction
    of the rate, or they forget faster than the decoder follows; only matrices decay."""

    def __init__(self, module, rate, tower_scale=1.0):
        self.rate = rate
        groups = {}
        for name, parameter in module.named_parameters():
            scale = tower_scale if "_tower" in name else 1.0
            matrix = _is_matrix(name, parameter)
            groups.setdefault((matrix, scale if matrix else 0.6 * scale), []).append(parameter)
        self.muon = torch.optim.Muon(_of(groups, True), lr=rate, weight_decay=0.05, momentum=0.95,
                                     adjust_lr_fn="match_rms_adamw")
        self.adam = torch.optim.AdamW(_of(groups, False), lr=rate, betas=(0.9, 0.95), weight_decay=0.0)
        self.parameters = [parameter for group in groups.values() for parameter in group]

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
