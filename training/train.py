# SPDX-License-Identifier: Apache-2.0
"""Trains nano: speech, pictures, text and film together, at nested widths.

Every step draws one batch of each kind and one submodel; later, every fifth is a "sandwich": the full
model, then a narrow one that also learns from the full model's logits.

The schedule (learning rate, sparsity) runs over --steps, or over --minutes where those end first. Each of
--processes has its share of every batch (parallel.py). Run it with MALLOC_MMAP_THRESHOLD_ and MALLOC_TRIM_THRESHOLD_ set high (see run.sh): the step
is then a fifth shorter, since freed memory is not given back to the system.
"""
import argparse
import itertools
import pathlib
import queue
import random
import threading
import time

import torch
from torch import nn

from training import fused, parallel
from training.batches import Batches, join
from training.model import FULL, HALF, QUARTER, Trainee
from training.optimizer import Optimizer, schedule

SIZES = {"speech": 20, "pictures": 24, "text": 28, "film": 4}  # of one step, over all processes
SANDWICH = 5  # every so many steps
JOINED_LENGTH = 75  # tokens
HELPER_WEIGHT = 0.3
HEADS = ("ctc", "corner", "digit")  # parts of the trainee that only training has


def draw_submodel(rng):
    """(widths, skip) of one step."""
    draw = rng.random()
    if draw < 0.65:
        widths = FULL
    elif draw < 0.82:
        widths = HALF
    elif draw < 0.88:
        widths = QUARTER
    else:
        widths = [rng.choice((FULL, HALF, QUARTER)) for _ in range(10)]
    return widths, rng.random() < 0.15


def loss_of(trainee, batch, features, widths, skip, teacher=None):
    """(loss of each kind, logits) of one submodel on one batch; `teacher` are logits of the full model,
    from which it learns as well."""
    trainee.choose(widths, skip)
    logits, labels = trainee.logits(batch, features)
    losses = nn.functional.cross_entropy(logits, labels, reduction="none")
    if teacher is not None:
        losses = losses + nn.functional.kl_div(logits.log_softmax(-1), teacher.log_softmax(-1),
                                               reduction="none", log_target=True).sum(-1)
    kinds = batch["kind"][(batch["labels"][:, 1:] >= 0).nonzero()[:, 0]]
    return [losses[kinds == kind].mean() for kind in kinds.unique()], logits


def passes(batches):
    """(names, batch) of each pass: kinds of like length are joined, which saves time."""
    short = [kind for kind, batch in batches.items() if batch["ids"].shape[1] <= JOINED_LENGTH]
    for kinds in (short, *([kind] for kind in batches if kind not in short)):
        if kinds:
            yield kinds, join(batches[kind] for kind in kinds)


def run_step(trainee, batches, sandwich, rng):
    """Accumulates the gradients of one step; returns the language loss of each kind."""
    shown = {}
    submodel = (rng.choice((HALF, QUARTER)), rng.random() < 0.3) if sandwich else draw_submodel(rng)
    for kinds, batch in passes(batches):
        features, helper = trainee.encode(batch)
        if sandwich:
            losses, teacher = loss_of(trainee, batch, features, FULL, False)
            narrow, _ = loss_of(trainee, batch, features, *submodel, teacher.detach())
            loss = sum(losses) + sum(narrow)
        else:
            losses, _ = loss_of(trainee, batch, features, *submodel)
            loss = sum(losses)
        shown.update({kind: value.item() for kind, value in zip(kinds, losses)})
        if "mels" in batch:
            shown["ctc"] = helper.item()
        (loss + HELPER_WEIGHT * helper).backward()
    return shown


def prefetch(source, sizes, depth=3):
    """Yields batches made by a thread ahead of time."""
    ready = queue.Queue(depth)

    def work():
        for step in itertools.count():  # films, long and few, in every third step
            ready.put({kind: getattr(source, kind)(count) for kind, count in sizes.items()
                       if kind != "film" or step % 3 == 0})

    threading.Thread(target=work, daemon=True).start()
    while True:
        yield ready.get()


def load_parts(trainee, options):
    """Puts in what was trained before: the decoder by text, the towers by themselves."""
    core = trainee.model.model
    if options.init:
        saved = torch.load(options.init)
        trainee.model.load_state_dict(saved["model"])
        for name, state in saved.get("heads", {}).items():
            getattr(trainee, name).load_state_dict(state)
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


def train(options, rank):
    """The work of one process; the first one speaks and saves."""
    torch.manual_seed(options.seed)
    rng = random.Random(options.seed)  # the same submodels in every process
    source = Batches(options.data, options.seed + 1000 * rank)
    trainee = Trainee(len(source.letters))
    load_parts(trainee, options)
    trainee.teach_vision = options.vision is None
    fused.compile_parts()
    optimizer = Optimizer(trainee, options.rate, tower_scale=0.25 if options.audio or options.init else 1.0)
    if rank == 0:
        print(f"{sum(p.numel() for p in trainee.model.parameters()):,} parameters", flush=True)
    smooth, began = {}, time.time()
    sizes = {}
    for part in options.kinds.split(","):
        kind, _, count = part.partition("=")
        sizes[kind] = int(count or SIZES[kind]) // options.processes
    for step, batches in enumerate(prefetch(source, sizes)):
        done = min(1.0, max(step / options.steps, (time.time() - began) / 60 / options.minutes))
        done = parallel.first_says(done)
        source.lessons = max(0.0, options.lessons - done)
        trainee.set_sparsity(0.5 + 0.45 * min(1.0, done / 0.3) if options.young else 0.95)
        optimizer.zero_grad()
        losses = run_step(trainee, batches, done > 0.4 and step % SANDWICH == 0, rng)
        parallel.average_gradients(optimizer.parameters)
        optimizer.step(schedule(step, done if len(sizes) == len(SIZES) else 0.7 * done))
        for kind, loss in losses.items():
            smooth[kind] = 0.95 * smooth.get(kind, loss) + 0.05 * loss
        if rank == 0 and step % 10 == 0:
            text = "  ".join(f"{kind} {loss:.3f}" for kind, loss in smooth.items())
            print(f"{step:5d}  {time.time() - began:6.0f} s  {text}", flush=True)
        if rank == 0 and (step % 100 == 99 or done >= 1.0):
            save(options.out, model=trainee.model.state_dict(), step=step,
                 heads={name: getattr(trainee, name).state_dict() for name in HEADS})
        if done >= 1.0:
            break


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True, help="the checkpoint")
    parser.add_argument("--steps", type=float, default=1e9)
    parser.add_argument("--minutes", type=float, default=1e9, help="end the schedule by then")
    parser.add_argument("--rate", type=float, default=4e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kinds", default=",".join(SIZES), help="which, each with a count if other than usual: pictures=16,text")
    parser.add_argument("--vision", type=pathlib.Path, help="a tower from pretrain_vision.py")
    parser.add_argument("--audio", type=pathlib.Path, help="a tower from pretrain_audio.py")
    parser.add_argument("--init", type=pathlib.Path, help="go on from this checkpoint's weights")
    parser.add_argument("--lessons", type=float, default=0.5, help="share of the texts that are lessons, at first")
    parser.add_argument("--young", action="store_true", help="the decoder knows nothing: ramp sparsity up")
    parser.add_argument("--processes", type=int, default=2, help="of one thread each")
    options = parser.parse_args()
    parallel.run(train, options.processes, options)


if __name__ == "__main__":
    main()
