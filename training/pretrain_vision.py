# SPDX-License-Identifier: Apache-2.0
"""Teaches the vision tower alone to tell what is where, before it meets the language model.

Without this the small tower collapses: its input is not centred and its convolutions have no bias, so
that all pictures look alike after a few norms. Here the stem's bias takes the mean away, and a
classifier on the features (dropped afterwards) sets the tower on its way.
"""
import argparse
import pathlib
import time

import numpy as np
import torch
from torch import nn

from training import data_pictures
from training.model import IMAGE_SIZE, Trainee


def center_stem(tower, mean=0.85):
    """Makes the stem's answer to an even, bright picture zero."""
    with torch.no_grad():
        conv = tower.conv_stem.conv
        conv.bias.copy_(-mean * conv.weight.sum((1, 2, 3)))
        for name, parameter in tower.named_parameters():
            if name.endswith("layer_scale.gamma"):
                parameter.fill_(0.5)


def batch(rng, count):
    pixels, corners, digits = [], [], []
    for _ in range(count):
        scene = data_pictures.random_scene(rng)
        image = data_pictures.draw_scene(scene, int(rng.choice((64, 96))))
        pixels.append(data_pictures.pixels(image, IMAGE_SIZE))
        labels = data_pictures.grid_labels(scene)
        corners.append(labels[0])
        digits.append(labels[1])
    return (torch.from_numpy(np.stack(pixels)).float() / 255, torch.tensor(corners),
            torch.tensor(digits))


def pretrain(trainee, minutes, rate=1.5e-3, seed=5, count=48):
    """Runs for `minutes`; prints the share of corners and digits that are told rightly."""
    tower = trainee.model.model.vision_tower.timm_model
    center_stem(tower)
    parameters = [*tower.parameters(), *trainee.corner.parameters(), *trainee.digit.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.98), weight_decay=0.01)
    rng, began, step = np.random.default_rng(seed), time.time(), 0
    while (done := (time.time() - began) / 60 / minutes) < 1:
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 50) * (1 - 0.9 * done)
        pixels, corners, digits = batch(rng, count)
        maps = tower.forward_features(pixels)
        quarters = nn.functional.avg_pool2d(maps, 2).flatten(2).transpose(1, 2)
        corner, digit = trainee.corner(quarters), trainee.digit(maps.mean((2, 3)))
        loss = nn.functional.cross_entropy(corner.flatten(0, 1), corners.flatten()) + \
            nn.functional.cross_entropy(digit, digits)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        if step % 20 == 0:
            right = (corner.argmax(-1) == corners).float().mean(), \
                (digit.argmax(-1) == digits).float().mean()
            print(f"vision {step:5d} {time.time() - began:5.0f} s  loss {loss.item():.3f}  "
                  f"corners {right[0]:.3f}  digits {right[1]:.3f}", flush=True)
        step += 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="where the weights go")
    parser.add_argument("--minutes", type=float, default=5)
    options = parser.parse_args()
    torch.manual_seed(5)
    model = Trainee(characters=1)
    pretrain(model, options.minutes)
    torch.save({"tower": model.model.model.vision_tower.state_dict(),
                "corner": model.corner.state_dict(), "digit": model.digit.state_dict()}, options.out)
