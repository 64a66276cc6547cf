# SPDX-License-Identifier: Apache-2.0
"""Our tokenizer against Hugging Face `tokenizers` on Gemma's real vocabulary."""
import gettext
import json
import pathlib
import random
import sys
import time
import unicodedata

import pytest
from tokenizers import Tokenizer

from conftest import GEMMA_TOKENIZER, run, synthesize, tiny_config

LEAST_STRINGS, LEAST_LANGUAGES = 100_000, 100


@pytest.fixture(scope="module")
def gemma(tmp_path_factory):
    """(model directory, reference tokenizer): a tiny decoder under the real vocabulary."""
    directory = tmp_path_factory.mktemp("gemma")
    config = tiny_config()
    config = {**config["text_config"], "architectures": ["Gemma3nForCausalLM"], "hidden_size": 8,
              "vocab_size": 262_208, "vocab_size_per_layer_input": 262_208, "head_dim": 4,
              "hidden_size_per_layer_input": 2, "num_attention_heads": 2}
    wanted = directory / "wanted.json"
    wanted.write_text(json.dumps(config))
    run("synth", "--like", wanted, "--tokenizer", GEMMA_TOKENIZER, "--out", directory)
    return directory, Tokenizer.from_file(str(GEMMA_TOKENIZER))


def encode(directory, strings, *options):
    lines = "".join(json.dumps(s) + "\n" for s in strings)
    out = run("tokenize", "-m", directory, "--lines", *options, input=lines.encode())
    return [json.loads(line) for line in out.decode().splitlines()]


def translations():
    """(strings, languages) out of the translation catalogues that this system carries."""
    strings, languages = set(), set()
    for path in pathlib.Path("/usr/share/locale").glob("*/LC_MESSAGES/iso_*.mo"):
        with open(path, "rb") as file:
            catalogue = gettext.GNUTranslations(file)._catalog
        texts = [v for v in catalogue.values() if isinstance(v, str) and v]
        if texts:
            languages.add(path.parts[4])
            strings.update(texts)
    return sorted(strings), languages


def made_up(seed, count):
    """Strings that nobody writes: every plane, runs, controls, long words, marks, tags."""
    draw = random.Random(seed)
    bits = ["<start_of_turn>", "<end_of_turn>", "<bos>", "<table>", "</i>", "<unused3>", "▁", "\n",
            "\n\n", "\n" * 7, " ", " " * 9, "\t", "\t\t\t", "\r\n", "é", "e\u0301", "👩‍👩‍👧", "🇳🇴",
            "\x00", "\x1b[31m", "<0x41>", "[multimodal]", "１２", "٣٤", "0" * 30, "a" * 300]
    strings = []
    for _ in range(count):
        parts = []
        for _ in range(draw.randrange(1, 12)):
            kind = draw.random()
            if kind < 0.4:
                parts.append(draw.choice(bits))
            elif kind < 0.7:
                plane = draw.choice((0, 0, 0, 1, 2, 3, 14, 15, 16))
                parts.append("".join(
                    c for c in (chr(plane * 65536 + draw.randrange(65536)) for _ in range(5))
                    if unicodedata.category(c) != "Cs"))
            else:
                parts.append("".join(draw.choice("abcdefghij .,ABC'") for _ in range(10)))
        strings.append("".join(parts))
    return strings


def broken_utf8(seed, count):
    """Random bytes as Python replaces what is no character in them."""
    draw = random.Random(seed)
    return [bytes(draw.choice((draw.randrange(256), draw.randrange(128))) for _ in range(40))
            .decode("utf-8", errors="replace") for _ in range(count)]


def test_equal_in_every_language(gemma):
    directory, reference = gemma
    strings, languages = translations()
    if len(languages) < LEAST_LANGUAGES:
        pytest.skip("needs Debian's iso-codes")
    words = random.Random(1)
    while len(strings) < LEAST_STRINGS:  # two that never stood together
        strings.append(words.choice(strings) + words.choice((" ", "\n", ": ")) + words.choice(strings))
    strings += made_up(2, 20_000) + broken_utf8(3, 5_000)
    ours = encode(directory, strings, "--control")
    theirs = [e.ids for e in reference.encode_batch(strings, add_special_tokens=False)]
    different = [s for s, a, b in zip(strings, ours, theirs) if a != b]
    print(f"{len(strings)} strings, {len(languages)} languages, {len(different)} different")
    assert not different, different[:3]


def test_typed_control_tokens_stay_text(gemma):
    directory, reference = gemma
    reference.encode_special_tokens = True
    strings = made_up(5, 5_000)
    theirs = [e.ids for e in reference.encode_batch(strings, add_special_tokens=False)]
    reference.encode_special_tokens = False
    assert encode(directory, strings) == theirs


def test_decoding(gemma):
    directory, reference = gemma
    for text in made_up(7, 60):
        ids = reference.encode(text, add_special_tokens=False).ids
        if ids:
            out = run("tokenize", "-m", directory, "--decode", ",".join(map(str, ids)))
            assert out.decode()[:-1] == reference.decode(ids, skip_special_tokens=False)


def test_throughput(gemma, capsys):
    """Both on one thread over the same 10 MB; ours must not be the slower one."""
    directory, reference = gemma
    strings, _ = translations()
    if not strings:
        pytest.skip("needs Debian's iso-codes")
    text = ""
    random.Random(9).shuffle(strings)
    while len(text.encode()) < 10_000_000:
        text += " ".join(strings)
    text = text.encode()[:10_000_000].decode(errors="ignore")
    begin = time.perf_counter()
    theirs = reference.encode(text, add_special_tokens=False).ids
    reference_seconds = time.perf_counter() - begin
    empty, full = [], []
    for _ in range(3):  # the program's start and load are measured apart and taken off
        for out, content in ((empty, b""), (full, text.encode())):
            begin = time.perf_counter()
            ids = run("tokenize", "-m", directory, "--threads", 1, "--control", "-", input=content)
            out.append(time.perf_counter() - begin)
    ours = [int(i) for i in ids.decode().split(",")]
    seconds = min(full) - min(empty)
    with capsys.disabled():
        print(f"\n10 MB: ours {seconds:.2f} s, tokenizers {reference_seconds:.2f} s, "
              f"{reference_seconds / seconds:.1f} times as fast", file=sys.stderr)
    assert ours == theirs
    assert seconds < reference_seconds
