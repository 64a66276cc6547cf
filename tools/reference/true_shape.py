# SPDX-License-Identifier: Apache-2.0
"""The true E2B shape against Transformers in float32: 600 tokens of text, and a picture with a clip.

    .venv-peers/bin/python tools/reference/true_shape.py build/release/bin/gemma3n build/e2b [--text]

The second argument is a directory for the checkpoint (11 GB, random weights), which is made unless it is
there. --text: it holds the text model alone, as `gemma3n slice --no-vision --no-audio` writes it. Compared are
the logits of every position of the prompt, the 64 tokens chosen greedily, and their logits: all of them after
the text, of the 100 likeliest after the media.

Float32 of all 5.4 billion parameters does not fit 24 GB. The reference's tables and the matrices of its
layers stay in bfloat16, which is exact: rows are widened as they are read, matrices as they are multiplied.
Our program runs first and ends; then the reference is loaded (about 14 GB).
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time

import numpy as np
import torch
from torch import nn
from transformers import Gemma3nForCausalLM, Gemma3nForConditionalGeneration

import reference_inputs
import synthetic_e2b

sys.path.insert(0, str(synthetic_e2b.ROOT / "tests/reference"))
import sample_media  # noqa: E402

GREEDY, TOP, TEXT_TOKENS = 64, 100, 600
ENDS = (1, 106)  # kept from being chosen, so that the answer has its length


def load_wide(directory, text_only):
    """The reference in float32 but for its tables and the matrices of its layers."""
    kind = Gemma3nForCausalLM if text_only else Gemma3nForConditionalGeneration
    model = kind.from_pretrained(directory, dtype=torch.bfloat16, attn_implementation="eager").eval()
    language = model.model if text_only else model.model.language_model
    tables = (language.embed_tokens, language.embed_tokens_per_layer)
    matrices = [model.lm_head, *(m for m in language.layers.modules() if isinstance(m, nn.Linear))]
    narrow = {id(module) for module in (*tables, *matrices)}
    for module in model.modules():
        for own, wide in ((module._parameters, lambda v: nn.Parameter(v.float(), requires_grad=False)),
                          (module._buffers, torch.Tensor.float)):
            for name, value in own.items():
                if value is not None and value.dtype == torch.bfloat16 and id(module) not in narrow:
                    own[name] = wide(value)

    def embed(table):
        scale = torch.tensor(table.scalar_embed_scale)
        return lambda ids: nn.functional.embedding(ids, table.weight).float() * scale

    def multiply(matrix):
        parts = matrix.weight.split(32768)
        return lambda x: torch.cat([nn.functional.linear(x, part.float()) for part in parts], -1)

    for table in tables:
        table.forward = embed(table)
    for matrix in matrices:
        matrix.forward = multiply(matrix)
    restore_scales(language, [] if text_only else model.model.audio_tower.modules())
    return model


def restore_scales(language, audio_modules):
    """Constants of the modules, which loading in bfloat16 rounded."""
    hidden = language.config.hidden_size
    language.per_layer_projection_scale.fill_(hidden**-0.5)
    language.per_layer_input_scale.fill_(2**-0.5)
    for layer in language.layers:
        layer.altup.router_input_scale.fill_(hidden**-1.0)
    for module in audio_modules:
        if hasattr(module, "q_scale"):
            module.q_scale.fill_(module.head_dim**-0.5 / torch.nn.functional.softplus(torch.tensor(0.0)))
        if hasattr(module, "inv_timescales"):
            count = module.channels // 2
            step = np.log(1e4) / max(count - 1, 1)
            module.inv_timescales.copy_(torch.exp(torch.arange(count) * -step)[None, None])


def relative(ours, expected):
    """The largest difference of two lists of rows over the largest magnitude."""
    rows = list(zip(ours, expected, strict=True))
    return max(np.abs(a - b).max() for a, b in rows) / max(np.abs(b).max() for _, b in rows)


@torch.no_grad()
def reference_answer(model, inputs, count):
    """(logits of the prompt's positions, logits before each greedy token, the tokens)."""
    text = model.config.get_text_config()
    banned = [*ENDS, model.config.boi_token_id, model.config.boa_token_id,
              *range(text.vocab_size_per_layer_input, text.vocab_size)]
    result = model(**inputs, use_cache=True)
    prompt = result.logits[0].numpy()
    rows, ids = [], []
    for _ in range(count):
        rows.append(result.logits[0, -1].numpy())
        logits = result.logits[0, -1].clone()
        logits[banned] = -torch.inf
        ids.append(int(logits.argmax()))
        result = model(input_ids=torch.tensor([[ids[-1]]]), use_cache=True,
                       past_key_values=result.past_key_values)
    return prompt, rows, ids


def likeliest(answer, rows):
    """Of our log-probabilities and the reference's rows, the logits that ours tells, a list of each."""
    ours, expected = [], []
    for token, row in zip(answer["logprobs"], rows, strict=True):
        total = np.log(np.exp(row.astype(np.float64) - row.max()).sum()) + row.max()
        ours.append(np.array([entry["logprob"] for entry in token["likeliest"]]) + total)
        expected.append(row[[entry["id"] for entry in token["likeliest"]]])
    return ours, expected


class Ours:
    """Our program on one checkpoint, its files in `place`."""

    def __init__(self, program, model, place):
        self.program, self.model, self.place = program, model, place

    def _run(self, command, *arguments):
        begin = time.time()
        out = subprocess.run([self.program, command, "-m", self.model, *map(str, arguments)], check=True,
                             stdout=subprocess.PIPE).stdout
        print(f"ours: {command} took {time.time() - begin:.0f} s", flush=True)
        return out

    def answer(self, *arguments):
        """The greedy answer as --json tells it."""
        answer = json.loads(self._run(
            "run", "--json", "--temp", "0", "--max-tokens", GREEDY, "--logprobs", TOP,
            *[f"--logit-bias={end}=-1000" for end in ENDS], *arguments))
        print(f"ours: {answer['timings']}", flush=True)
        return answer

    def logits(self, ids):
        """[ids, vocabulary], read from the file as it is looked at."""
        out = self.place / "logits.npy"
        self._run("logits", "--ids", ",".join(map(str, ids)), "--out", out)
        return np.load(out, mmap_mode="r")

    def prompt_logits(self, *arguments):
        self._run("dump", *arguments, "--out", self.place / "values")
        return np.load(self.place / "values/logits.npy", mmap_mode="r")


def report(name, figures, answer, ids):
    print(f"{name}: {len(answer['prompt_token_ids'])} prompt tokens, {len(answer['token_ids'])} answered, "
          f"tokens equal: {answer['token_ids'] == ids}; relative differences of the logits: "
          + ", ".join(f"{what} {value:.1e}" for what, value in figures.items()), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gemma3n")
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--text", action="store_true")
    options = parser.parse_args()
    synthetic_e2b.make(options.gemma3n, options.model)
    words = random.Random(4)
    text = " ".join(words.choice(["river", "stone", "green", "seven", "walks", "quickly", "under"])
                    for _ in range(TEXT_TOKENS - 1))
    with tempfile.TemporaryDirectory() as name:
        place = pathlib.Path(name)
        compare(Ours(options.gemma3n, options.model, place), options, text, place)


def compare(ours, options, text, place):
    answer = ours.answer("--raw", text)
    logits = ours.logits(answer["prompt_token_ids"] + answer["token_ids"][:-1])
    seen = None if options.text else see(ours, place)

    model = load_wide(options.model, options.text)
    print("the reference is loaded", flush=True)
    count = len(answer["prompt_token_ids"])
    prompt, rows, ids = reference_answer(model, {"input_ids": torch.tensor([answer["prompt_token_ids"]])}, GREEDY)
    report("text", {"prompt": relative(logits[:count], prompt), "answer": relative(logits[count - 1:], rows)},
           answer, ids)
    if seen:
        compare_media(*seen, model, place)


def see(ours, place):
    """(our answer to a picture and a clip, the logits of its prompt)"""
    sample_media.write_picture(place / "picture.png", 640, 480)
    sample_media.write_sound(place / "sound.wav", 16000 * 10)
    media = ("--image", place / "picture.png", "--audio", place / "sound.wav", "What?")
    return ours.answer(*media), ours.prompt_logits(*media)


def compare_media(seen, seen_logits, model, place):
    prompt, rows, ids = reference_answer(
        model, {"input_ids": torch.tensor([seen["prompt_token_ids"]]), **reference_inputs.picture(place / "picture.png", 768),
                **reference_inputs.clip(place / "sound.wav")}, GREEDY)
    report("picture and clip", {"prompt": relative(seen_logits, prompt),
                                f"{TOP} likeliest of the answer": relative(*likeliest(seen, rows))}, seen, ids)


if __name__ == "__main__":
    main()
