# SPDX-License-Identifier: Apache-2.0
"""The true E2B shape against Transformers in float32: 600 tokens of text, and a picture with a clip.

    gemma3n synth --like e2b --seed 1 --tokenizer tokenizer.json --out E2B
    .venv-peers/bin/python tools/reference/true_shape.py build/release/bin/gemma3n E2B

Float32 of all 5.4 billion parameters does not fit 24 GB. The two embedding tables stay in bfloat16,
which is exact: their rows are widened as they are read, and the head's as they are multiplied.
Our program runs first and ends; then the reference is loaded (about 18 GB).
"""
import argparse
import json
import pathlib
import random
import subprocess
import sys
import tempfile
import time
import wave

import numpy as np
import torch
from PIL import Image
from torch import nn
from transformers import Gemma3nAudioFeatureExtractor, Gemma3nForConditionalGeneration
from transformers.models.siglip.image_processing_siglip import SiglipImageProcessor

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent.parent / "tests/reference"))
import sample_media  # noqa: E402

GREEDY, TOP, TEXT_TOKENS = 64, 100, 600
ENDS = (1, 106)  # kept from being chosen, so that the answer has its length


def load_wide(directory):
    """The reference in float32 but for its tables."""
    model = Gemma3nForConditionalGeneration.from_pretrained(
        directory, dtype=torch.bfloat16, attn_implementation="eager").eval()
    language = model.model.language_model
    tables = (language.embed_tokens, language.embed_tokens_per_layer, model.lm_head)
    for module in model.modules():
        if not list(module.children()) and module not in tables:
            module.float()
    for module in model.modules():  # parameters that modules with children hold themselves
        for name, value in list(module._parameters.items()):
            if value is not None and module not in tables and value.dtype == torch.bfloat16:
                module._parameters[name] = nn.Parameter(value.float(), requires_grad=False)
        for name, value in list(module._buffers.items()):
            if value is not None and value.dtype == torch.bfloat16:
                module._buffers[name] = value.float()

    def embed(table):
        scale = torch.tensor(table.scalar_embed_scale)
        return lambda ids: nn.functional.embedding(ids, table.weight).float() * scale

    def head(hidden):
        rows = model.lm_head.weight.split(32768)
        return torch.cat([nn.functional.linear(hidden, part.float()) for part in rows], -1)

    for table in tables[:2]:
        table.forward = embed(table)
    model.lm_head.forward = head
    restore_scales(model)
    return model


def restore_scales(model):
    """Constants of the modules, which loading in bfloat16 rounded."""
    language = model.model.language_model
    hidden = model.config.text_config.hidden_size
    language.per_layer_projection_scale.fill_(hidden**-0.5)
    language.per_layer_input_scale.fill_(2**-0.5)
    for layer in language.layers:
        layer.altup.router_input_scale.fill_(hidden**-1.0)
    for module in model.model.audio_tower.modules():
        if hasattr(module, "q_scale"):
            module.q_scale.fill_(module.head_dim**-0.5 / torch.nn.functional.softplus(torch.tensor(0.0)))
        if hasattr(module, "inv_timescales"):
            count = module.channels // 2
            step = np.log(1e4) / max(count - 1, 1)
            module.inv_timescales.copy_(torch.exp(torch.arange(count) * -step)[None, None])


@torch.no_grad()
def reference_answer(model, inputs, count):
    """(logits before each greedy token, the tokens)."""
    text = model.config.text_config
    banned = [*ENDS, model.config.boi_token_id, model.config.boa_token_id,
              *range(text.vocab_size_per_layer_input, text.vocab_size)]
    result = model(**inputs, use_cache=True, logits_to_keep=1)
    rows, ids = [], []
    for _ in range(count):
        rows.append(result.logits[0, -1].numpy())
        logits = result.logits[0, -1].clone()
        logits[banned] = -torch.inf
        ids.append(int(logits.argmax()))
        result = model(input_ids=torch.tensor([[ids[-1]]]), use_cache=True,
                       past_key_values=result.past_key_values)
    return rows, ids


def compare(name, ours, rows, ids):
    """Prints the largest relative difference of the logits that both show, and equality of tokens."""
    worst = 0.0
    for token, row in zip(ours["logprobs"], rows):
        total = np.log(np.exp(row.astype(np.float64) - row.max()).sum()) + row.max()
        for entry in token["likeliest"]:
            difference = abs(entry["logprob"] + total - row[entry["id"]])
            worst = max(worst, difference / np.abs(row).max())
    same = ours["token_ids"] == ids[:len(ours["token_ids"])]
    print(f"{name}: {len(ours['prompt_token_ids'])} prompt tokens, {len(ours['token_ids'])} answered, "
          f"tokens equal: {same}, largest relative difference of the {TOP} likeliest logits: "
          f"{worst:.1e}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gemma3n")
    parser.add_argument("model", type=pathlib.Path)
    options = parser.parse_args()
    words = random.Random(4)
    text = " ".join(words.choice(["river", "stone", "green", "seven", "walks", "quickly", "under"])
                    for _ in range(TEXT_TOKENS - 1))

    def ours(*arguments):
        begin = time.time()
        out = subprocess.run([options.gemma3n, "run", "-m", str(options.model), "--json", "--temp", "0",
                              "--max-tokens", str(GREEDY), "--logprobs", str(TOP),
                              *[f"--logit-bias={end}=-1000" for end in ENDS],
                              *map(str, arguments)], check=True, capture_output=True).stdout
        answer = json.loads(out)
        print(f"ours: {time.time() - begin:.0f} s, {answer['timings']}", flush=True)
        return answer

    with tempfile.TemporaryDirectory() as name:
        place = pathlib.Path(name)
        sample_media.write_picture(place / "picture.png", 640, 480)
        sample_media.write_sound(place / "sound.wav", 16000 * 10)
        answers = [ours("--raw", text),
                   ours("--image", place / "picture.png", "--audio", place / "sound.wav", "What?")]
        picture = Image.open(place / "picture.png").convert("RGB")
        with wave.open(str(place / "sound.wav")) as file:
            samples = np.frombuffer(file.readframes(-1), "<i2").astype(np.float32) / 32768
    model = load_wide(options.model)
    print("the reference is loaded", flush=True)
    pixels = SiglipImageProcessor(do_normalize=False, size={"height": 768, "width": 768}, resample=2)(
        images=[picture], return_tensors="pt")
    sound = Gemma3nAudioFeatureExtractor()([samples], return_tensors="pt")
    for title, answer, media in (("text", answers[0], {}),
                                 ("picture and clip", answers[1], {**pixels, **sound})):
        ids = torch.tensor([answer["prompt_token_ids"]])
        rows, expected = reference_answer(model, {"input_ids": ids, **media}, GREEDY)
        compare(title, answer, rows, expected)


if __name__ == "__main__":
    main()
