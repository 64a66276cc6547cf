# SPDX-License-Identifier: Apache-2.0
"""Trains nano: speech, pictures, text and film together, at nested widths.

Every step draws one batch of each kind. Three steps in four draw one submodel; every fourth is a
"sandwich": the full model, then a narrow one that also learns from the full model's logits.

The schedule (learning rate, sparsity, averaging) runs over --steps, or over --minutes where those end
first. Run it with MALLOC_MMAP_THRESHOLD_ and MALLOC_TRIM_THRESHOLD_ set high (see run.sh): the step
is then a fifth shorter, since freed memory is not given back to the system.
"""
import argparse
import pathlib
import queue
import random
import threading
import time

import torch
from torch import nn

from training.batches import Batches
from training.model import FULL, HALF, QUARTER, Trainee, fuse
from training.optimizer import Optimizer, schedule

SIZES = {"speech": 20, "pictures": 12, "text": 24, "film": 4}
HELPER_WEIGHT = 0.3


def draw_submodel(rng):
    """(widths, skip) of one step."""
    draw = rng.random()
    if draw < 0.45:
        widths = FULL
    elif draw < 0.75:
        widths = HALF
    elif draw < 0.87:
        widths = QUARTER
    else:
        widths = [rng.choice((FULL, HALF, QUARTER)) for _ in range(10)]
    return widths, rng.random() < 0.15


def loss_of(trainee, batch, features, widths, skip, teacher=None):
    """(loss, logits) of one submodel on one batch; `teacher` are logits of the full model."""
    trainee.choose(widths, skip)
    logits, labels = trainee.logits(batch, features)
    loss = nn.functional.cross_entropy(logits, labels)
    if teacher is not None:
        loss = loss + nn.functional.kl_div(logits.log_softmax(-1), teacher.log_softmax(-1),
                                           reduction="batchmean", log_target=True)
    return loss, logits


def run_step(trainee, batches, step, rng):
    """Accumulates the gradients of one step; returns the language loss of each kind."""
    losses = {}
    sandwich = step % 4 == 3
    submodel = (rng.choice((HALF, QUARTER)), rng.random() < 0.3) if sandwich else draw_submodel(rng)
    for kind, batch in batches.items():
        features, helper = trainee.encode(batch)
        if sandwich:
            loss, teacher = loss_of(trainee, batch, features, FULL, False)
            losses[kind] = loss.item()
            loss = loss + loss_of(trainee, batch, features, *submodel, teacher.detach())[0]
        else:
            loss, _ = loss_of(trainee, batch, features, *submodel)
            losses[kind] = loss.item()
        if torch.is_tensor(helper):
            losses[kind + " helper"] = helper.item()
        (loss + HELPER_WEIGHT * helper).backward()
    return losses


def prefetch(source, sizes, depth=3):
    """Yields batches made by a thread ahead of time."""
    ready = queue.Queue(depth)

    def work():
        while True:
            ready.put({kind: getattr(source, kind)(count) for kind, count in sizes.items()})

    threading.Thread(target=work, daemon=True).start()
    while True:
        yield ready.get()


@torch.no_grad()
def update_average(average, trainee, decay=0.995):
    for name, value in trainee.model.state_dict().items():
        if value.is_floating_point():
            average[name] = average[name].lerp(value, 1 - decay) if name in average else value.clone()


def load_parts(trainee, options):
    """Puts in what was trained before: the decoder by text, the towers by themselves."""
    core = trainee.model.model
    if options.init:
        trainee.model.load_state_dict(torch.load(options.init)["model"])
    if options.vision:
        parts = torch.load(options.vision)
        core.vision_tower.load_state_dict(parts["tower"])
        trainee.corner.load_state_dict(parts["corner"])
        trainee.digit.load_state_dict(parts["digit"])
    if options.audio:
        parts = torch.load(options.audio)
        core.audio_tower.load_state_dict(parts["tower"])
        trainee.ctc.load_state_dict(parts["ctc"])


def save(path, **state):
    torch.save(state, path.with_suffix(".part"))
    path.with_suffix(".part").rename(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the checkpoint")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--minutes", type=float, default=1e9, help="end the schedule by then")
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(SIZES), help="such as text, to begin with")
    parser.add_argument("--vision", type=pathlib.Path, help="a tower from pretrain_vision.py")
    parser.add_argument("--audio", type=pathlib.Path, help="a tower from pretrain_audio.py")
    parser.add_argument("--init", type=pathlib.Path, help="go on from this checkpoint's weights")
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    rng = random.Random(options.seed)
    source = Batches(options.data, options.seed)
    trainee = Trainee(len(source.letters))
    load_parts(trainee, options)
    fuse()
    optimizer = Optimizer(trainee, options.rate)
    print(f"{sum(p.numel() for p in trainee.model.parameters()):,} parameters", flush=True)
    average, smooth, began = {}, {}, time.time()
    sizes = {kind: SIZES[kind] for kind in options.kinds.split(",")}
    for step, batches in enumerate(prefetch(source, sizes)):
        done = min(1.0, max(step / options.steps, (time.time() - began) / 60 / options.minutes))
        trainee.set_sparsity(0.95 if options.init else 0.5 + 0.45 * min(1.0, done / 0.5))
        optimizer.zero_grad()
        losses = run_step(trainee, batches, step, rng)
        optimizer.step(schedule(step, done if len(sizes) == len(SIZES) else 0.7 * done))
        if done > 0.7:
            update_average(average, trainee)
        for kind, loss in losses.items():
            smooth[kind] = 0.95 * smooth.get(kind, loss) + 0.05 * loss
        if step % 10 == 0:
            text = "  ".join(f"{kind} {loss:.3f}" for kind, loss in smooth.items())
            print(f"{step:5d}  {time.time() - began:6.0f} s  {text}", flush=True)
        if step % 100 == 99 or done >= 1.0:
            save(options.out, average=average, model=trainee.model.state_dict(), step=step)
        if done >= 1.0:
            break


if __name__ == "__main__":
    main()
