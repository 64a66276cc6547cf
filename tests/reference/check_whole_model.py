# SPDX-License-Identifier: Apache-2.0
"""The whole program on a picture, a clip and a question against what the reference gave
(tools/reference/make_whole_goldens.py).

    check_whole_model.py GEMMA3N GOLDENS
"""
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np

import sample_media

PROMPT, SEED, GREEDY = "What is this?", "11", "64"
RELATIVE = 1e-4  # largest difference over largest magnitude: the project's bar for tiny models


def relative(ours, golden):
    assert ours.shape == golden.shape, (ours.shape, golden.shape)
    return np.abs(ours.astype(np.float64) - golden).max() / np.abs(golden).max()


def check(gemma3n, goldens, directory):
    def run(*arguments):
        return subprocess.run([gemma3n, *map(str, arguments)], check=True, capture_output=True).stdout
    def golden(name):
        return np.load(goldens / f"{name}.npy")
    model, values = directory / "model", directory / "values"
    run("synth", "--like", "tiny", "--seed", SEED, "--out", model)
    sample_media.write_picture(directory / "picture.png")
    sample_media.write_sound(directory / "sound.wav")
    media = ("--image", directory / "picture.png", "--audio", directory / "sound.wav")
    run("dump", "-m", model, *media, PROMPT, "--out", values)
    assert np.array_equal(np.load(values / "ids.npy"), golden("ids")), "the prompt differs"
    image = np.load(values / "image_0.features.npy")
    pairs = {
        "image features": (image.reshape(-1, image.shape[-1])[:, ::16], golden("image_features")),
        "audio features": (np.load(values / "audio_0.features.npy"), golden("audio_features")),
        "logits": (np.load(values / "logits.npy")[-1], golden("logits")),
    }
    for name, (ours, theirs) in pairs.items():
        difference = relative(ours, theirs)
        print(f"{name}: largest relative difference {difference:.1e}")
        assert difference < RELATIVE, name
    answers = [json.loads(run("run", "-m", model, *media, "--json", "--temp", "0", "--max-tokens",
                              GREEDY, "--threads", threads, PROMPT)) for threads in (1, 2)]
    assert answers[0]["token_ids"] == answers[1]["token_ids"], "depends on the threads"
    expected = golden("greedy").tolist()
    ends = [i for i, token in enumerate(expected) if token in (1, 5)]
    assert answers[0]["token_ids"] == expected[:ends[0] if ends else None], "the answer differs"
    print(f"{len(answers[0]['token_ids'])} tokens of the answer are equal")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        check(sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(name))
