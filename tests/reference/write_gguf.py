#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A Hugging Face directory as GGUF files, written without our program: what its reader is tested with.

    write_gguf.py MODEL OUT.gguf [--mmproj OUT] [--type stored|F32|F16|BF16|Q8_0|Q4_0] [--early]

Names and keys are those of llama.cpp's converter; --early leaves out what its first versions did not
write. Needs NumPy only.
"""
import argparse
import json
import math
import pathlib
import struct
import statistics

import numpy as np

TEXT = {
    "embed_tokens": "token_embd", "embed_tokens_per_layer": "per_layer_token_embd",
    "per_layer_model_projection": "per_layer_model_proj",
    "per_layer_projection_norm": "per_layer_proj_norm", "norm": "output_norm"}
LAYER = {
    "input_layernorm": "attn_norm", "self_attn.q_proj": "attn_q", "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output", "self_attn.q_norm": "attn_q_norm",
    "self_attn.k_norm": "attn_k_norm", "post_attention_layernorm": "post_attention_norm",
    "pre_feedforward_layernorm": "ffn_norm", "mlp.gate_proj": "ffn_gate", "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down", "post_feedforward_layernorm": "post_ffw_norm",
    "altup.router_norm": "altup_router_norm", "altup.modality_router": "altup_router",
    "altup.prediction_coefs": "altup_predict_coef", "altup.correction_coefs": "altup_correct_coef",
    "altup.correct_output_scale": "altup_correct_scale", "laurel.linear_left": "laurel_l",
    "laurel.linear_right": "laurel_r", "laurel.post_laurel_norm": "laurel_post_norm",
    "per_layer_input_gate": "inp_gate", "per_layer_projection": "proj",
    "post_per_layer_input_norm": "post_norm"}
EMBEDDER = {"embedding": "embedding", "hard_embedding_norm": "hard_emb_norm",
            "soft_embedding_norm": "soft_emb_norm", "embedding_projection": "input_projection"}
CONFORMER = {
    "ffw_layer_start.pre_layer_norm": "ffn_norm", "ffw_layer_start.ffw_layer_1": "ffn_up",
    "ffw_layer_start.ffw_layer_2": "ffn_down", "ffw_layer_start.post_layer_norm": "ffn_post_norm",
    "ffw_layer_end.pre_layer_norm": "ffn_norm_1", "ffw_layer_end.ffw_layer_1": "ffn_up_1",
    "ffw_layer_end.ffw_layer_2": "ffn_down_1", "ffw_layer_end.post_layer_norm": "ffn_post_norm_1",
    "attention.pre_attn_norm": "ln1", "attention.attn.q_proj": "attn_q",
    "attention.attn.k_proj": "attn_k", "attention.attn.v_proj": "attn_v",
    "attention.attn.per_dim_scale": "per_dim_scale",
    "attention.attn.relative_position_embedding.pos_proj": "linear_pos", "attention.post": "attn_out",
    "attention.post_norm": "ln2", "lconv1d.pre_layer_norm": "conv_norm",
    "lconv1d.linear_start": "conv_pw1", "lconv1d.depthwise_conv1d": "conv_dw",
    "lconv1d.conv_norm": "norm_conv", "lconv1d.linear_end": "conv_pw2", "norm": "layer_pre_norm"}
TYPES = {"F32": 0, "F16": 1, "Q4_0": 2, "Q4_1": 3, "Q5_0": 6, "Q5_1": 7, "Q8_0": 8, "Q2_K": 10, "Q3_K": 11,
         "Q4_K": 12, "Q5_K": 13, "Q6_K": 14, "IQ4_NL": 20, "IQ4_XS": 23, "BF16": 30}
WRITTEN = ("F32", "F16", "BF16", "Q8_0", "Q4_0")  # of these
UINT32, INT32, FLOAT32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9


def read_safetensors(path):
    """name -> (dtype name, array): BF16 as uint16."""
    tensors = {}
    raw = path.read_bytes()
    length = struct.unpack("<Q", raw[:8])[0]
    for name, entry in json.loads(raw[8:8 + length]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        dtype = {"F32": "<f4", "F16": "<f2", "BF16": "<u2"}[entry["dtype"]]
        array = np.frombuffer(raw[8 + length + begin:8 + length + end], dtype).reshape(entry["shape"])
        tensors[name] = (entry["dtype"], array)
    return tensors


def as_float(dtype, array):
    if dtype == "BF16":
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array.astype(np.float32)


def bytes_as(dtype, array, wanted):
    """The data of a tensor in the type `wanted`."""
    if wanted == dtype:
        return np.ascontiguousarray(array).tobytes()
    values = as_float(dtype, array)
    if wanted == "F32":
        return values.astype("<f4").tobytes()
    if wanted == "F16":
        return values.astype("<f2").tobytes()
    if wanted == "BF16":
        bits = values.astype("<f4").view(np.uint32)
        return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2").tobytes()
    blocks = values.reshape(-1, 32)
    if wanted == "Q8_0":
        scale = (np.abs(blocks).max(1, keepdims=True) / 127).astype("<f2")
        with np.errstate(divide="ignore", invalid="ignore"):
            q = np.where(scale > 0, np.rint(blocks / scale.astype(np.float32)), 0)
        q = np.clip(q, -127, 127).astype(np.int8)
        return np.concatenate([scale.view(np.uint8), q.view(np.uint8)], axis=1).tobytes()
    assert wanted == "Q4_0"
    extreme = np.take_along_axis(blocks, np.abs(blocks).argmax(1)[:, None], 1)
    scale = (extreme / -8).astype("<f2")
    with np.errstate(divide="ignore", invalid="ignore"):
        q = np.where(scale != 0, np.rint(blocks / scale.astype(np.float32)), 0)
    q = (np.clip(q, -8, 7) + 8).astype(np.uint8)
    return np.concatenate([scale.view(np.uint8), q[:, :16] | q[:, 16:] << 4], axis=1).tobytes()


class File:
    def __init__(self):
        self.keys, self.entries, self.data = [], [], []
        self.at = 0

    @staticmethod
    def text(value):
        raw = value.encode() if isinstance(value, str) else value
        return struct.pack("<Q", len(raw)) + raw

    def key(self, name, kind, value):
        form = {UINT32: "<I", INT32: "<i", FLOAT32: "<f", BOOL: "<?"}
        one = self.text if kind == STRING else lambda v: struct.pack(form[kind], v)
        if isinstance(value, list):
            packed = struct.pack("<IIQ", ARRAY, kind, len(value)) + b"".join(map(one, value))
        else:
            packed = struct.pack("<I", kind) + one(value)
        self.keys.append(self.text(name) + packed)

    def tensor(self, name, shape, kind, data):
        entry = self.text(name) + struct.pack("<I", len(shape))
        entry += b"".join(struct.pack("<Q", d) for d in reversed(shape))
        self.entries.append(entry + struct.pack("<IQ", TYPES[kind], self.at))
        padding = -len(data) % 32
        self.data.append(data + bytes(padding))
        self.at += len(data) + padding

    def write(self, path):
        head = b"GGUF" + struct.pack("<IQQ", 3, len(self.entries), len(self.keys))
        head += b"".join(self.keys) + b"".join(self.entries)
        path.write_bytes(head + bytes(-len(head) % 32) + b"".join(self.data))


def add_sizes(file, config, early):
    text = config.get("text_config", config)
    layers = text["num_hidden_layers"]
    p = "gemma3n."
    for key, value in (
            ("context_length", text["max_position_embeddings"]), ("embedding_length", text["hidden_size"]),
            ("block_count", layers), ("attention.head_count", text["num_attention_heads"]),
            ("attention.head_count_kv", text["num_key_value_heads"]),
            ("attention.key_length", text["head_dim"]), ("attention.value_length", text["head_dim"]),
            ("attention.sliding_window", text["sliding_window"]), ("altup.active_idx", 0),
            ("altup.num_inputs", text["altup_num_inputs"]),
            ("embedding_length_per_layer_input", text["hidden_size_per_layer_input"])):
        file.key(p + key, UINT32, value)
    widths = text["intermediate_size"]
    file.key(p + "feed_forward_length", UINT32, widths)
    file.key(p + "attention.shared_kv_layers", FLOAT32 if early else UINT32, text["num_kv_shared_layers"])
    file.key(p + "attention.layer_norm_rms_epsilon", FLOAT32, text.get("rms_norm_eps", 1e-6))
    file.key(p + "attention.sliding_window_pattern", BOOL,
             [t == "sliding_attention" for t in text["layer_types"]])
    rope = text.get("rope_parameters")
    bases = [rope[k]["rope_theta"] for k in ("full_attention", "sliding_attention")] if rope else [
        text.get("rope_theta", 1e6), text.get("rope_local_base_freq", 1e4)]
    file.key(p + "rope.freq_base", FLOAT32, bases[0])
    if not early:
        file.key(p + "rope.freq_base_swa", FLOAT32, bases[1])
        file.key(p + "final_logit_softcapping", FLOAT32, text.get("final_logit_softcapping", 30.0))
    normal = statistics.NormalDist()
    file.key(p + "activation_sparsity_scale", FLOAT32,
             [normal.inv_cdf(s) if s > 0 else -math.inf for s in text["activation_sparsity_pattern"]])


def add_vocabulary(file, tokenizer, config):
    model = tokenizer["model"]
    size = max([*model["vocab"].values(), *(t["id"] for t in tokenizer["added_tokens"])]) + 1
    pieces, types, scores = [f"[PAD{i}]" for i in range(size)], [5] * size, [-1e9] * size
    for piece, number in model["vocab"].items():
        pieces[number] = piece
        types[number] = 6 if len(piece) == 6 and piece.startswith("<0x") else 1
    for rank, merge in enumerate(model["merges"]):
        left, right = merge if isinstance(merge, list) else merge.split(" ")
        number = model["vocab"][left + right]
        scores[number] = max(scores[number], -float(rank))
    for token in tokenizer["added_tokens"]:
        pieces[token["id"]] = token["content"] if token["special"] else token["content"].replace("▁", " ")
        types[token["id"]] = 3 if token["special"] else 4
    types[pieces.index("<unk>")] = 2
    text = config.get("text_config", config)
    p = "tokenizer.ggml."
    file.key(p + "model", STRING, "llama")
    file.key(p + "tokens", STRING, pieces)
    file.key(p + "scores", FLOAT32, scores)
    file.key(p + "token_type", INT32, types)
    eos = config.get("eos_token_id", text.get("eos_token_id", 1))
    file.key(p + "bos_token_id", UINT32, text.get("bos_token_id", 2))
    file.key(p + "eos_token_id", UINT32, eos[0] if isinstance(eos, list) else eos)
    file.key(p + "padding_token_id", UINT32, text.get("pad_token_id", 0))
    file.key(p + "add_space_prefix", BOOL, False)


def add_projector_sizes(file, config, preprocessor):
    vision, audio = config["vision_config"], config["audio_config"]
    side = preprocessor.get("size", {"height": 768})["height"]
    file.key("general.architecture", STRING, "clip")
    file.key("clip.has_vision_encoder", BOOL, True)
    file.key("clip.vision.projector_type", STRING, "gemma3nv")
    file.key("clip.vision.image_size", UINT32, side)
    file.key("clip.vision.patch_size", UINT32, max(1, side // config.get("vision_soft_tokens_per_image", 256)))
    file.key("clip.vision.embedding_length", UINT32, vision["hidden_size"])
    file.key("clip.vision.block_count", UINT32, 128)
    file.key("clip.audio.projector_type", STRING, "gemma3na")
    file.key("clip.audio.block_count", UINT32, audio["conf_num_hidden_layers"])
    file.key("clip.audio.attention.head_count", UINT32, audio["conf_num_attention_heads"])
    file.key("clip.audio.num_mel_bins", UINT32, audio.get("input_feat_size", 128))
    file.key("clip.audio.tokens_per_clip", UINT32, config.get("audio_soft_tokens_per_image", 188))


def target(name):
    """The GGUF name of a tensor, None for a matrix of a stack; and whether it is the projector's."""
    parts = name.split(".")
    if name.startswith("model.vision_tower."):
        rest = name.removeprefix("model.vision_tower.timm_model.")
        return "v." + rest.replace("blocks.", "blk.", 1), True
    if name.startswith("model.audio_tower.subsample"):
        if parts[3].startswith("conv_"):
            middle = "" if parts[4] == "conv" else "norm."
            return f"a.conv1d.{parts[3][5:]}.{middle}weight", True
        return "a.pre_encode.out.weight", True
    if name.startswith("model.audio_tower.conformer."):
        stem = ".".join(parts[4:]).removesuffix(".weight")
        end = "" if stem.endswith("per_dim_scale") else ".weight"
        return f"a.blk.{parts[3]}.{CONFORMER[stem]}{end}", True
    if name.startswith("model.embed_"):
        return ("mm.a." if parts[1] == "embed_audio" else "mm.") + EMBEDDER[parts[2]] + ".weight", True
    if name == "lm_head.weight":
        return "output.weight", False
    rest = name.removeprefix("model.").removeprefix("language_model.")
    if rest.startswith("altup_"):
        return None, False
    if rest.startswith("layers."):
        _, number, stem = rest.split(".", 2)
        return f"blk.{number}.{LAYER[stem.removesuffix('.weight')]}.weight", False
    return TEXT[rest.removesuffix(".weight")] + ".weight", False


def write(model, out, mmproj=None, kind="stored", early=False, chat_template=None):
    model = pathlib.Path(model)
    config = json.loads((model / "config.json").read_text())
    files = {False: File(), True: File()}
    files[False].key("general.architecture", STRING, "gemma3n")
    files[False].key("general.alignment", UINT32, 32)
    add_sizes(files[False], config, early)
    add_vocabulary(files[False], json.loads((model / "tokenizer.json").read_text()), config)
    template = model / "chat_template.jinja"
    if chat_template or template.exists():
        files[False].key("tokenizer.chat_template", STRING, chat_template or template.read_text())
    if mmproj:
        preprocessor = model / "preprocessor_config.json"
        add_projector_sizes(files[True], config,
                            json.loads(preprocessor.read_text()) if preprocessor.exists() else {})
    stacks = {}
    for shard in sorted(model.glob("*.safetensors")):
        for name, (dtype, array) in read_safetensors(shard).items():
            where, projector = target(name)
            if where is None:
                base = "altup_unembd_proj" if "unembed" in name else "altup_proj"
                stacks.setdefault(base, {})[int(name.split(".")[-2])] = (dtype, array)
                continue
            add(files[projector], where, dtype, array, "stored" if projector else kind)
    for base, matrices in stacks.items():
        dtype = matrices[0][0]
        stacked = np.stack([matrices[i][1] for i in range(len(matrices))])
        add(files[False], base + ".weight", dtype, stacked, kind)
    files[False].write(pathlib.Path(out))
    if mmproj:
        files[True].write(pathlib.Path(mmproj))


def add(file, name, dtype, array, kind):
    shape = list(array.shape)
    if name.endswith(("layer_scale.gamma", "conv_stem.conv.bias")):
        shape = [1, shape[0], 1, 1]
    wanted = dtype if kind == "stored" else kind
    small = len(shape) < 2 or any(s in name for s in ("altup_router", "predict_coef", "correct_coef"))
    if wanted in ("Q8_0", "Q4_0") and (small or shape[-1] % 32):
        wanted = "F32"
    if small and wanted == "F16":
        wanted = "F32"
    file.tensor(name, shape, wanted, bytes_as(dtype, array, wanted))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("out")
    parser.add_argument("--mmproj")
    parser.add_argument("--type", default="stored", choices=["stored", *WRITTEN])
    parser.add_argument("--early", action="store_true")
    args = parser.parse_args()
    write(args.model, args.out, args.mmproj, args.type, args.early)


if __name__ == "__main__":
    main()
