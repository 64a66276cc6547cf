# SPDX-License-Identifier: Apache-2.0
"""Answers an evaluation file with Transformers, greedily, and prints a table of exact matches.

The file has one JSON object a line: id, task, prompt, answer, and lists "images" and "audio" of paths
beside it. `--out` keeps every answer, to be held against those of the engine.
"""
import argparse
import collections
import json
import pathlib

import numpy as np
import soundfile
import torch
from PIL import Image
from transformers import AutoProcessor, Gemma3nForConditionalGeneration


def load(directory):
    processor = AutoProcessor.from_pretrained(directory)
    model = Gemma3nForConditionalGeneration.from_pretrained(directory, dtype=torch.float32,
                                                            attn_implementation="eager")
    return processor, model.eval()


def inputs_of(processor, item, base, without_media=False):
    """The reference's inputs for one item: media first, then the prompt."""
    content, images, audio = [], [], []
    if not without_media:
        for name in item.get("images", []):
            images.append(Image.open(base / name).convert("RGB"))
            content.append({"type": "image"})
        for name in item.get("audio", []):
            samples, rate = soundfile.read(base / name, dtype="float32")
            assert rate == 16000 and samples.ndim == 1, name
            audio.append(np.asarray(samples))
            content.append({"type": "audio"})
    content.append({"type": "text", "text": item["prompt"]})
    turns = [{"role": "system", "content": item["system"]}] if item.get("system") else []
    turns.append({"role": "user", "content": content})
    text = processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False)
    return processor(text=text, images=images or None, audio=audio or None,
                     add_special_tokens=False, return_tensors="pt")


@torch.no_grad()
def answer(processor, model, item, base, without_media=False):
    inputs = inputs_of(processor, item, base, without_media)
    ids = model.generate(**inputs, do_sample=False, max_new_tokens=64, top_k=None, top_p=None)
    return processor.tokenizer.decode(ids[0, inputs["input_ids"].shape[1]:],
                                      skip_special_tokens=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("items", type=pathlib.Path)
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--limit", type=int)
    parser.add_argument("--without-media", action="store_true", help="what chance looks like")
    options = parser.parse_args()
    processor, model = load(options.model)
    items = [json.loads(line) for line in options.items.read_text().splitlines()]
    items = [item for item in items if not item.get("videos")][:options.limit]  # it reads no films
    right, total, lines = collections.Counter(), collections.Counter(), []
    for item in items:
        text = answer(processor, model, item, options.items.parent, options.without_media)
        total[item["task"]] += 1
        right[item["task"]] += text.strip() == item["answer"].strip()
        lines.append(json.dumps({"id": item["id"], "text": text}) + "\n")
    for task in sorted(total):
        print(f"{task:20s} {right[task]:4d} / {total[task]:4d}  {right[task] / total[task]:.1%}")
    if options.out:
        options.out.write_text("".join(lines))


if __name__ == "__main__":
    main()
