# SPDX-License-Identifier: Apache-2.0
"""Several processes of one thread that train one model: each has its share of every batch, and the
gradients are averaged once a step. Threads of one process would wait for one another in every operation."""
import os
import tempfile

import torch
from torch import distributed, multiprocessing


def _work(rank, processes, meeting, function, options):
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", init_method=f"file://{meeting}", rank=rank, world_size=processes)
    function(options, rank)
    distributed.destroy_process_group()


def run(function, processes, options):
    """Calls function(options, rank) in each of `processes`; an error in one ends all, and is raised."""
    with tempfile.TemporaryDirectory() as place:
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        multiprocessing.spawn(_work, (processes, f"{place}/meeting", function, options), processes)


def average_gradients(parameters):
    """Puts the mean over all processes into the gradients; the same parameters have one in each."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients])):
        gradient.copy_(mean.view_as(gradient))


def first_says(value):
    """The number that the first process has."""
    box = torch.tensor(value, dtype=torch.float64)
    distributed.broadcast(box, 0)
    return box.item()
