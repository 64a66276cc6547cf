# SPDX-License-Identifier: Apache-2.0
"""Conversations as ids against the reference's template and processor."""
import json
import random

import numpy as np
import pytest
import soundfile
from PIL import Image

from conftest import run

TEXTS = ["Hello", "  spaces around  ", "two\n\nparagraphs", "\n\nnewlines first", "ends in newline\n",
         "", "tab\tand  two spaces", "ünïcödé 漢字 👍", "\u00a0no-break\u00a0", "a\r\nb"]


@pytest.mark.parametrize("draw", range(12))
def test_prompt_ids(tiny, tmp_path, draw):
    directory, processor, _ = tiny
    choose = random.Random(draw)
    Image.new("RGB", (40, 30), (200, 10, 60)).save(tmp_path / "p.png")
    soundfile.write(tmp_path / "s.wav", np.zeros(8000), 16000)
    pictures, sounds = choose.randrange(3), choose.randrange(2)
    prompt = choose.choice(TEXTS[:-4]) or "x"
    system = choose.choice([None, "Be brief.", "Ends in a newline\n"])
    content = [{"type": "image"}] * pictures + [{"type": "audio"}] * sounds
    turns = [{"role": "system", "content": system}] if system else []
    turns.append({"role": "user", "content": content + [{"type": "text", "text": prompt}]})
    text = processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    expected = processor(
        text=text, images=[Image.open(tmp_path / "p.png")] * pictures or None,
        audio=[np.zeros(8000, np.float32)] * sounds or None, add_special_tokens=False,
        return_tensors="np")["input_ids"][0].tolist()
    options = ["--image", tmp_path / "p.png"] * pictures + ["--audio", tmp_path / "s.wav"] * sounds
    if system:
        options += ["--system", system]
    ours = json.loads(run("run", "-m", directory, "--json", "--max-tokens", 0, *options, "--", prompt))
    assert ours["prompt_token_ids"] == expected, text


def test_many_turns(tiny, tmp_path):
    """A conversation of several turns, through the chat's own view of its prompt."""
    directory, processor, _ = tiny
    lines = "Hello\n/undo\nfirst  question \n/show prompt\n/bye\n"
    out = run("chat", "-m", directory, "--quiet", "--max-tokens", 1, input=lines.encode()).decode()
    expected = processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "text", "text": "first  question "}]}],
        add_generation_prompt=True, tokenize=False)
    assert expected in out
