# SPDX-License-Identifier: Apache-2.0
"""Random small Gemma 3n text models in Hugging Face form, the same bytes for the same seed anywhere.

Needs NumPy only. Weights are scaled so that every product keeps magnitude 1; gates of sparse layers
are then near Gaussian, as the Gaussian top-k assumes.
"""

import json
import pathlib
import struct

import numpy as np


class Random:
    """SplitMix64 (Steele, Lea, Flood 2014); NumPy's own generators may change between versions."""

    def __init__(self, seed):
        self.state = np.uint64(seed * 0x2545F4914F6CDD1D % 2**64)

    def bits(self, count):
        with np.errstate(over="ignore"):
            steps = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
            z = self.state + steps
            self.state = z[-1]
            z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
            z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
            return z ^ (z >> np.uint64(31))

    def normal(self, shape):
        """Near enough to normal: the sum of four uniform 16-bit numbers."""
        bits = self.bits(int(np.prod(shape)))
        parts = sum((bits >> np.uint64(16 * i)) & np.uint64(0xFFFF) for i in range(4))
        centred = parts.astype(np.float64) - 2 * 0xFFFF
        return (centred * (3**0.5 / 65536)).reshape(shape)

    def integer(self, low, high):
        """In [low, high]."""
        return low + int(self.bits(1)[0] % np.uint64(high - low + 1))

    def choice(self, options):
        return options[self.integer(0, len(options) - 1)]


def random_config(seed):
    """A config with every mechanism, its sizes drawn at random; each third one is multimodal."""
    config = random_text_config(seed)
    if seed % 3 != 2:
        return config
    r = Random(seed + 5000)
    eps = config["rms_norm_eps"]
    offset = config["vocab_size"]
    modalities = {}
    for name, width, vocab in (("vision", 20, r.integer(3, 9)), ("audio", 28, r.integer(3, 9))):
        modalities[f"{name}_config"] = {
            "model_type": f"gemma3n_{name}",
            "hidden_size": width,
            "vocab_size": vocab,
            "vocab_offset": offset,
            "rms_norm_eps": eps,
        }
        offset += vocab
    config.update({"vocab_size": offset, "model_type": "gemma3n_text"})
    return {
        "architectures": ["Gemma3nForConditionalGeneration"],
        "model_type": "gemma3n",
        "torch_dtype": config.pop("torch_dtype"),
        "text_config": config,
        **modalities,
    }


def text_of(config):
    return config.get("text_config", config)


def random_text_config(seed):
    r = Random(seed)
    layers = r.integer(4, 9)
    own = r.integer(2, layers)  # layers with keys and values of their own; all: none shared
    full = r.choice([2, 3, 5])
    types = ["full_attention" if (i + 1) % full == 0 else "sliding_attention" for i in range(layers)]
    for i in range(own, layers):  # a sharing layer needs a layer of its kind below
        if types[i] not in types[:own]:
            types[i] = types[own - 1]
    heads = r.choice([1, 2, 4, 6])
    groups = r.choice([g for g in (1, 2, 3, 6) if heads % g == 0])
    sparsity = r.choice([[0.95], [0.9, 0.5], [0.0], [0.95, 0.0, 0.75]])
    vocab = r.integer(90, 210)
    return {
        "architectures": ["Gemma3nForCausalLM"],
        "model_type": "gemma3n_text",
        "vocab_size": vocab,
        "vocab_size_per_layer_input": vocab - r.integer(0, 20),
        "hidden_size": heads * r.choice([12, 16, 22]),
        "hidden_size_per_layer_input": r.choice([6, 8, 16]),
        "intermediate_size": [r.choice([390, 448, 500, 512]) for _ in range(layers)],
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": groups,
        "head_dim": r.choice([6, 10, 16, 24]),
        "num_kv_shared_layers": layers - own,
        "layer_types": types,
        "sliding_window": r.choice([5, 16, 33]),
        "activation_sparsity_pattern": [
            sparsity[i % len(sparsity)] if i < layers // 2 else 0.0 for i in range(layers)
        ],
        "laurel_rank": r.choice([4, 7, 8]),
        "altup_num_inputs": r.choice([2, 3, 4, 4, 5]),
        "altup_active_idx": 0,
        "altup_correct_scale": r.choice([True, True, False]),
        "final_logit_softcapping": r.choice([30.0, 10.0]),
        "rms_norm_eps": r.choice([1e-6, 1e-5]),
        "rope_theta": r.choice([1000000.0, 50000.0]),
        "rope_local_base_freq": r.choice([10000.0, 500.0]),
        "max_position_embeddings": 4096,
        "hidden_activation": "gelu_pytorch_tanh",
        "tie_word_embeddings": True,
        "torch_dtype": r.choice(["bfloat16", "float16", "float32"]),
    }


def shapes(config):
    """All tensors' names and shapes; keys and values of sharing layers are left out."""
    if "text_config" not in config:
        return {f"model.{name}": shape for name, shape in text_shapes(config).items()}
    text = config["text_config"]
    result = {f"model.language_model.{name}": shape for name, shape in text_shapes(text).items()}
    for name in ("vision", "audio"):
        width, vocab = (config[f"{name}_config"][key] for key in ("hidden_size", "vocab_size"))
        embedder = {
            "embedding.weight": (vocab, width),
            "hard_embedding_norm.weight": (width,),
            "soft_embedding_norm.weight": (width,),
            "embedding_projection.weight": (text["hidden_size"], width),
        }
        result.update({f"model.embed_{name}.{key}": shape for key, shape in embedder.items()})
    return result


def text_shapes(c):
    d, p, streams = c["hidden_size"], c["hidden_size_per_layer_input"], c["altup_num_inputs"]
    layers, rank, dim = c["num_hidden_layers"], c["laurel_rank"], c["head_dim"]
    queries, keys = c["num_attention_heads"] * dim, c["num_key_value_heads"] * dim
    result = {
        "embed_tokens.weight": (c["vocab_size"], d),
        "embed_tokens_per_layer.weight": (c["vocab_size_per_layer_input"], layers * p),
        "per_layer_model_projection.weight": (layers * p, d),
        "per_layer_projection_norm.weight": (p,),
        "norm.weight": (d,),
    }
    for k in range(streams - 1):
        result[f"altup_projections.{k}.weight"] = (d, d)
        result[f"altup_unembed_projections.{k}.weight"] = (d, d)
    for i in range(layers):
        f = c["intermediate_size"][i]
        layer = {
            "input_layernorm.weight": (d,),
            "post_attention_layernorm.weight": (d,),
            "pre_feedforward_layernorm.weight": (d,),
            "post_feedforward_layernorm.weight": (d,),
            "post_per_layer_input_norm.weight": (d,),
            "self_attn.q_proj.weight": (queries, d),
            "self_attn.o_proj.weight": (d, queries),
            "self_attn.q_norm.weight": (dim,),
            "mlp.gate_proj.weight": (f, d),
            "mlp.up_proj.weight": (f, d),
            "mlp.down_proj.weight": (d, f),
            "altup.router_norm.weight": (d,),
            "altup.modality_router.weight": (streams, d),
            "altup.prediction_coefs.weight": (streams * streams, streams),
            "altup.correction_coefs.weight": (streams, streams),
            "altup.correct_output_scale": (d,),
            "laurel.linear_left.weight": (rank, d),
            "laurel.linear_right.weight": (d, rank),
            "laurel.post_laurel_norm.weight": (d,),
            "per_layer_input_gate.weight": (p, d),
            "per_layer_projection.weight": (d, p),
        }
        if i < layers - c["num_kv_shared_layers"]:
            layer["self_attn.k_proj.weight"] = (keys, d)
            layer["self_attn.v_proj.weight"] = (keys, d)
            layer["self_attn.k_norm.weight"] = (dim,)
        result.update({f"layers.{i}.{name}": shape for name, shape in layer.items()})
    return result


def random_tensor(r, name, shape):
    values = r.normal(shape)
    if "q_norm" in name or "k_norm" in name:
        return (1 + 0.2 * values) / shape[0] ** 0.25  # scores near 1: they are not scaled
    if len(shape) == 1:
        return 1 + 0.2 * values
    if "coefs" in name:
        return 0.1 * values
    if "modality_router" in name:
        return values * shape[1] ** 0.5  # undoes the division by hidden_size, nearly
    return values / shape[1] ** 0.5


def encode(values, dtype):
    """float64 -> the bytes of a safetensors dtype."""
    values = values.astype("<f4")
    if dtype == "F32":
        return values.tobytes()
    if dtype == "F16":
        return values.astype("<f2").tobytes()
    bits = values.view("<u4")
    rounded = bits + 0x7FFF + ((bits >> 16) & 1)  # to nearest, ties to even
    return (rounded >> 16).astype("<u2").tobytes()


def decode(data, dtype, shape):
    """The bytes of a safetensors dtype -> float64."""
    if dtype == "BF16":
        bits = np.frombuffer(data, "<u2").astype("<u4") << 16
        return bits.view("<f4").astype(np.float64).reshape(shape)
    return np.frombuffer(data, {"F32": "<f4", "F16": "<f2"}[dtype]).astype(np.float64).reshape(shape)


def write(directory, config, seed):
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    dtype = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}[config["torch_dtype"]]
    r = Random(seed + 1000003)
    header, chunks, offset = {"__metadata__": {"format": "pt"}}, [], 0
    for name, shape in shapes(config).items():
        data = encode(random_tensor(r, name, shape), dtype)
        header[name] = {
            "dtype": dtype,
            "shape": list(shape),
            "data_offsets": [offset, offset + len(data)],
        }
        chunks.append(data)
        offset += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(directory / "model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + b"".join(chunks))
    (directory / "config.json").write_text(json.dumps(config, indent=1))


def read(directory):
    """config, and tensors by name as float64."""
    directory = pathlib.Path(directory)
    config = json.loads((directory / "config.json").read_text())
    tensors = {}
    for path in sorted(directory.glob("*.safetensors")):
        data = path.read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        for name, entry in json.loads(data[8 : 8 + length]).items():
            if name == "__metadata__":
                continue
            begin, end = (8 + length + o for o in entry["data_offsets"])
            tensors[name] = decode(data[begin:end], entry["dtype"], entry["shape"])
    return config, tensors
