# SPDX-License-Identifier: Apache-2.0
"""Both encoders at full size against timm and Transformers in float32: every stage and every block.

    .venv-peers/bin/python tools/reference/full_encoders.py build/release/bin/gemma3n build/e2b

Pictures at 256, 512 and 768, clips of 1, 10 and 30 s; prints a table in Markdown. The second argument is
a directory for the checkpoint (11 GB, random weights), which is made unless it is there.
"""
import argparse
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
import torch
from safetensors import safe_open
from transformers import AutoModel, Gemma3nConfig
from transformers.models.gemma3n.modeling_gemma3n import Gemma3nAudioEncoder

import reference_inputs
import synthetic_e2b

sys.path.insert(0, str(synthetic_e2b.ROOT / "tests/reference"))
import sample_media  # noqa: E402

SIDES, SECONDS = (256, 512, 768), (1, 10, 30)


def load_tower(tower, directory, prefix):
    """Puts the checkpoint's tensors under `prefix` into `tower`, as float32."""
    state = {}
    for shard in sorted(directory.glob("*.safetensors")):
        with safe_open(shard, "pt") as file:
            for name in file.keys():
                if name.startswith(prefix):
                    state[name.removeprefix(prefix)] = file.get_tensor(name).float()
    missing, surplus = tower.load_state_dict(state, strict=False)
    buffers = {name for name, _ in tower.named_buffers()}
    assert not surplus and set(missing) <= buffers, (missing, surplus)
    return tower.float().eval()


def watch(seen, **modules):
    """Keeps what each module answers, copied: the reference scales its features in place later."""
    for name, module in modules.items():
        module.register_forward_hook(
            lambda module, arguments, output, name=name: seen.update({name.replace("_", "."): output.clone()}))


def row(what, ours, expected):
    """Prints a line of the table: the largest relative differences of the steps on the way and of the end."""
    worst = {name: np.abs(ours(name) - value).max() / np.abs(value).max() for name, value in expected.items()}
    end = worst.pop("features")
    name = max(worst, key=worst.get)
    print(f"| {what} | {end:.1e} | {worst[name]:.1e} ({name}, of {len(worst)} steps) |", flush=True)


def pictures(dump, directory, place):
    config = Gemma3nConfig.from_pretrained(directory)
    tower = load_tower(AutoModel.from_config(config.vision_config), directory, "model.vision_tower.")
    seen, timm = {}, tower.timm_model
    watch(seen, stem=timm.conv_stem, features=timm.msfa,
          **{f"stage_{i}": stage for i, stage in enumerate(timm.blocks)})
    picture = place / "picture.png"
    sample_media.write_picture(picture, 640, 480)
    for side in SIDES:
        values = dump("--image", picture, "--image-size", side)
        pixels = reference_inputs.picture(picture, side)["pixel_values"]
        assert np.array_equal(np.load(values / "image_0.pixels.npy").transpose(2, 0, 1), pixels[0].numpy())
        with torch.no_grad():
            tower(pixel_values=pixels, do_pooling=False)
        row(f"picture, {side} x {side}",
            lambda name: np.load(values / f"image_0.{name}.npy").transpose(2, 0, 1),
            {name: value[0].numpy() for name, value in seen.items()})


def clips(dump, directory, place):
    config = Gemma3nConfig.from_pretrained(directory)
    tower = load_tower(Gemma3nAudioEncoder(config.audio_config), directory, "model.audio_tower.")
    seen = {}
    watch(seen, subsampling=tower.subsample_conv_projection,
          **{f"conformer_{i}": block for i, block in enumerate(tower.conformer)})
    sound = place / "sound.wav"
    for seconds in SECONDS:
        sample_media.write_sound(sound, 16000 * seconds)
        values = dump("--audio", sound)
        heard = reference_inputs.clip(sound)
        with torch.no_grad():
            out = tower(heard["input_features"], ~heard["input_features_mask"], return_dict=True)
        expected = {name: (value[0] if isinstance(value, tuple) else value)[0].numpy() for name, value in seen.items()}
        expected |= {"mel": heard["input_features"][0].numpy(), "features": out.last_hidden_state[0].numpy()}
        # We compute what tokens need: no frame behind the last one's, and no other in the last block's output.
        factor, last = config.audio_config.conf_reduction_factor, len(tower.conformer) - 1
        for i in range(last + 1):
            frames = expected[f"conformer.{i}"]
            step = factor if i == last else 1
            expected[f"conformer.{i}"] = frames[:(len(frames) - 1) // factor * factor + 1:step]

        def ours(name):
            value = np.load(values / f"audio_0.{name}.npy")
            assert value.shape == expected[name].shape, (name, value.shape, expected[name].shape)
            return value
        row(f"clip of {seconds} s", ours, expected)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gemma3n")
    parser.add_argument("model", type=pathlib.Path)
    options = parser.parse_args()
    synthetic_e2b.make(options.gemma3n, options.model)
    print("| input | features, relative difference | largest on the way |\n|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        place = pathlib.Path(name)

        def dump(*arguments):
            subprocess.run([options.gemma3n, "dump", "-m", options.model, *map(str, arguments), "--out",
                            place / "values", "What?"], check=True)
            return place / "values"

        pictures(dump, options.model, place)
        clips(dump, options.model, place)


if __name__ == "__main__":
    main()
