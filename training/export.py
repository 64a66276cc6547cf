# SPDX-License-Identifier: Apache-2.0
"""Writes a training checkpoint as a Hugging Face model directory, weights in bfloat16."""
import argparse
import json
import pathlib
import shutil

import torch
from safetensors.torch import save_file

from training.model import AUDIO_TOKENS, HALF, IMAGE_SIZE, IMAGE_TOKENS, SKIPPABLE, config


def _write_json(path, value):
    path.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")


def write_side_files(out, trained_with):
    """The tokenizer of the training, chat template, generation defaults and the processors' settings."""
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(trained_with / name, out)
    shutil.copy(pathlib.Path(__file__).parent / "chat_template.jinja", out)
    _write_json(out / "generation_config.json",
                {"bos_token_id": 2, "do_sample": True, "eos_token_id": [1, 7], "pad_token_id": 0,
                 "temperature": 1.0, "top_k": 64, "top_p": 0.95})
    image = {"image_processor_type": "SiglipImageProcessor", "do_convert_rgb": None,
             "do_normalize": False, "do_rescale": True, "do_resize": True,
             "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5],
             "image_seq_length": IMAGE_TOKENS, "resample": 2, "rescale_factor": 1 / 255,
             "size": {"height": IMAGE_SIZE, "width": IMAGE_SIZE}}
    sound = {"feature_extractor_type": "Gemma3nAudioFeatureExtractor", "feature_size": 128,
             "sampling_rate": 16000, "padding_value": 0.0, "return_attention_mask": True,
             "frame_length_ms": 32.0, "hop_length_ms": 10.0, "min_frequency": 125.0,
             "max_frequency": 7600.0, "preemphasis": 0.97, "preemphasis_htk_flavor": True,
             "fft_overdrive": True, "dither": 0.0, "input_scale_factor": 1.0, "mel_floor": 1e-5,
             "per_bin_mean": None, "per_bin_stddev": None, "padding_side": "right"}
    _write_json(out / "preprocessor_config.json",
                {**image, **sound, "processor_class": "Gemma3nProcessor"})
    _write_json(out / "processor_config.json",
                {"processor_class": "Gemma3nProcessor", "audio_seq_length": AUDIO_TOKENS,
                 "image_seq_length": IMAGE_TOKENS})


def _rounded(state):
    """Tensors as they are saved: bfloat16, without tied copies and buffers."""
    return {name: value.to(torch.bfloat16).contiguous() for name, value in state.items()
            if value.is_floating_point() and name != "lm_head.weight"
            and not name.endswith(_BUFFERS)}


_BUFFERS = ("embed_scale", "router_input_scale", "gradient_clipping", "inv_freq", "softcap", "q_scale",
            "inv_timescales", "per_layer_projection_scale", "per_layer_input_scale",
            "local_causal_valid_mask")


def slice_state(state, settings, width, skip):
    """The submodel of `width`, with or without the skippable layers: the first neurons of each
    feed-forward part, the kept layers renumbered, their blocks of the per-layer tables."""
    text = settings["text_config"]
    kept = [i for i in range(text["num_hidden_layers"]) if not (skip and i in SKIPPABLE)]
    per_layer = text["hidden_size_per_layer_input"]
    prefix = "model.language_model."
    result = {}
    for name, value in state.items():
        if name == prefix + "embed_tokens_per_layer.weight":
            value = value.view(value.shape[0], -1, per_layer)[:, kept].flatten(1)
        elif name == prefix + "per_layer_model_projection.weight":
            value = value.view(-1, per_layer, value.shape[1])[kept].flatten(0, 1)
        elif name.startswith(prefix + "layers."):
            number, rest = name[len(prefix + "layers."):].split(".", 1)
            if int(number) not in kept:
                continue
            if rest in ("mlp.gate_proj.weight", "mlp.up_proj.weight"):
                value = value[:width]
            elif rest == "mlp.down_proj.weight":
                value = value[:, :width]
            name = f"{prefix}layers.{kept.index(int(number))}.{rest}"
        result[name] = value.contiguous()
    text = dict(text)
    for field in ("layer_types", "activation_sparsity_pattern"):
        text[field] = [text[field][i] for i in kept]
    text["intermediate_size"] = [width] * len(kept)
    text["num_kv_shared_layers"] -= text["num_hidden_layers"] - len(kept)
    text["num_hidden_layers"] = len(kept)
    return result, {**settings, "text_config": text}


def export(checkpoint, out, trained_with, width=None, skip=False):
    """Writes the directory `out`. `trained_with` holds the tokenizer; `width` and `skip` cut a submodel."""
    saved = torch.load(checkpoint, map_location="cpu")
    state = saved["model"]
    settings = config()
    settings.architectures = ["Gemma3nForConditionalGeneration"]
    settings.dtype = "bfloat16"
    settings = json.loads(settings.to_json_string())
    state = _rounded(state)
    if width is not None:
        state, settings = slice_state(state, settings, width, skip)
    out.mkdir(parents=True, exist_ok=True)
    save_file(state, out / "model.safetensors", metadata={"format": "pt"})
    _write_json(out / "config.json", settings)
    write_side_files(out, trained_with)
    return saved["step"]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=pathlib.Path, required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--width", type=int, choices=(512, HALF, 128))
    parser.add_argument("--skip", action="store_true", help="leave the skippable layers out")
    parser.add_argument("--tokenizer", type=pathlib.Path, required=True, help="directory it is in")
    options = parser.parse_args()
    print("step", export(options.checkpoint, options.out, options.tokenizer, options.width, options.skip))
