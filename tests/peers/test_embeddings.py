# SPDX-License-Identifier: Apache-2.0
"""The server's embeddings are the mean of Transformers' last hidden states, in float32."""
import json
import pathlib
import re
import subprocess
import urllib.request

import numpy as np
import torch

from conftest import GEMMA3N, load_reference, relative

NANO = pathlib.Path(__file__).resolve().parent.parent.parent / "models/nano"
TOLERANCE = 1e-4  # of the largest number: that of logits (tests/tolerances.h)
TEXTS = ("What is 3 plus 4?", "red apple", "été à la mer", "Enciende la luz, por favor. " * 12)


def embed(directory, inputs):
    """The vectors of a server of its own."""
    server = subprocess.Popen([str(GEMMA3N), "serve", "-m", str(directory), "--port", "0", "--quiet"],
                              stdout=subprocess.PIPE)
    try:
        lines = []
        while not lines or not lines[-1].startswith("Ctrl-C"):
            lines.append(server.stdout.readline().decode())
            assert lines[-1]
        url = re.search(r"http://127\.0\.0\.1:\d+", "".join(lines)).group()
        body = json.dumps({"input": inputs}).encode()
        with urllib.request.urlopen(urllib.request.Request(url + "/v1/embeddings", body)) as response:
            return [one["embedding"] for one in json.load(response)["data"]]
    finally:
        server.terminate()
        server.wait(30)


@torch.no_grad()
def expected(model, ids):
    hidden = model.model.language_model(input_ids=torch.tensor(ids)[None]).last_hidden_state[0]
    mean = hidden.double().mean(dim=0).numpy()
    return mean / np.linalg.norm(mean)


def test_nano():
    """Texts, which the reference's own tokenizer takes apart, and ids as they are."""
    processor, model = load_reference(NANO)
    ids = [processor.tokenizer(text)["input_ids"] for text in TEXTS]
    assert all(one[0] == processor.tokenizer.bos_token_id for one in ids)
    without_bos = ids[0][1:]
    found = embed(NANO, [*TEXTS, without_bos])
    assert len(found) == len(TEXTS) + 1
    for ours, one in zip(found, [*ids, without_bos]):
        assert relative(ours, expected(model, one)) < TOLERANCE


def test_ids_of_a_random_model(tiny):
    """Longer than its window."""
    directory, _, model = tiny
    text = model.config.text_config
    ids = np.random.default_rng(7).integers(0, text.vocab_size_per_layer_input,
                                            2 * text.sliding_window + 7).tolist()
    ours, = embed(directory, [ids])
    assert relative(ours, expected(model, ids)) < TOLERANCE
