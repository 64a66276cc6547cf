# SPDX-License-Identifier: Apache-2.0
"""What Transformers and timm make of a picture, a clip and a question, on `synth --like tiny`.

    .venv-peers/bin/python tools/reference/make_whole_goldens.py build/release/bin/gemma3n

writes tests/goldens/whole/: the prompt's ids, features of both encoders, the logits of the last
position, and 64 ids chosen greedily. Only these are kept: the checkpoint and the media are made anew,
byte for byte the same, wherever they are checked.
"""
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from PIL import Image
from transformers import AutoProcessor, Gemma3nForConditionalGeneration

from reference_inputs import samples

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tests/reference"))
import sample_media  # noqa: E402

PROMPT, SEED, GREEDY = "What is this?", 11, 64


def main():
    out = ROOT / "tests/goldens/whole"
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        subprocess.run([sys.argv[1], "synth", "--like", "tiny", "--seed", str(SEED), "--out", name],
                       check=True)
        sample_media.write_picture(directory / "picture.png")
        sample_media.write_sound(directory / "sound.wav")
        processor = AutoProcessor.from_pretrained(name)
        model = Gemma3nForConditionalGeneration.from_pretrained(
            name, dtype=torch.float32, attn_implementation="eager").eval()
        content = [{"type": "image"}, {"type": "audio"}, {"type": "text", "text": PROMPT}]
        text = processor.apply_chat_template([{"role": "user", "content": content}],
                                             add_generation_prompt=True, tokenize=False)
        inputs = processor(text=text, images=[Image.open(directory / "picture.png")],
                           audio=[samples(directory / "sound.wav")], add_special_tokens=False, return_tensors="pt")
        save(out, model, inputs)


@torch.no_grad()
def save(out, model, inputs):
    np.save(out / "ids.npy", inputs["input_ids"][0].numpy().astype(np.int32))
    image = model.model.vision_tower(pixel_values=inputs["pixel_values"], do_pooling=False)
    np.save(out / "image_features.npy",
            image.last_hidden_state[0].flatten(1).T.numpy().astype(np.float32)[:, ::16])
    audio = model.model.audio_tower(inputs["input_features"], ~inputs["input_features_mask"])
    np.save(out / "audio_features.npy", audio.last_hidden_state[0].numpy())
    result = model(**inputs, use_cache=True)
    np.save(out / "logits.npy", result.logits[0, -1].numpy())
    text = model.config.text_config
    banned = [model.config.boi_token_id, model.config.boa_token_id,
              *range(text.vocab_size_per_layer_input, text.vocab_size)]
    ids = []
    for _ in range(GREEDY):
        logits = result.logits[0, -1].clone()
        logits[banned] = -torch.inf
        ids.append(int(logits.argmax()))
        result = model(input_ids=torch.tensor([[ids[-1]]]), use_cache=True,
                       past_key_values=result.past_key_values)
    np.save(out / "greedy.npy", np.array(ids, np.int32))


if __name__ == "__main__":
    main()
