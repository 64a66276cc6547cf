# SPDX-License-Identifier: Apache-2.0
"""Teaches the audio tower alone to spell what is said, by CTC on its frames, before it meets the
language model: a step costs a third of one that runs the decoder as well."""
import argparse
import pathlib
import time

import torch

from training.batches import Batches
from training.model import Trainee
from training.optimizer import Optimizer, schedule


def pretrain(trainee, source, steps, minutes, rate=3e-3, count=32):
    """Runs for `steps` or `minutes`, whichever ends first; prints the CTC loss a clip's character."""
    audio = torch.nn.ModuleDict({"tower": trainee.model.model.audio_tower, "head": trainee.ctc})
    optimizer = Optimizer(audio, rate)
    began, smooth, step, done = time.time(), None, 0, 0.0
    while done < 1:
        done = max(step / steps, (time.time() - began) / 60 / minutes)
        _, loss = trainee.encode(source.sound(count))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step(schedule(step, 0.8 * done))
        smooth = loss.item() if smooth is None else 0.95 * smooth + 0.05 * loss.item()
        if step % 20 == 0:
            print(f"audio {step:5d} {time.time() - began:5.0f} s  ctc {smooth:.3f}", flush=True)
        step += 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="where the weights go")
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--minutes", type=float, default=15)
    options = parser.parse_args()
    torch.manual_seed(6)
    batches = Batches(options.data, seed=6)
    model = Trainee(len(batches.letters))
    pretrain(model, batches, options.steps, options.minutes)
    torch.save({"tower": model.model.model.audio_tower.state_dict(), "ctc": model.ctc.state_dict()},
               options.out)
