# SPDX-License-Identifier: Apache-2.0
"""Gemma 3n's text decoder in plain NumPy: slow, whole sequences, no cache, float64.

It shares nothing with the engine. Every formula is that of Transformers' modeling_gemma3n.py; the
constants that the reference rounds to float32 (rotary angles, the sparsity cutoff) are rounded here
too.
"""

import math

import numpy as np


def rms_norm(x, weight, eps):
    y = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + eps)
    return y if weight is None else y * weight


def gelu(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def inverse_normal(p):
    """Phi^-1 of the float32 nearest to p, by bisection of erf."""
    target = float(np.float32(2) * np.float32(p) - np.float32(1))
    low, high = -10.0, 10.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if math.erf(middle) < target else (low, middle)
    return low * math.sqrt(2)


def rotate(x, positions, theta):
    """x [tokens, heads, dim]: pairs (i, i + dim/2) turned by position * theta^(-2i/dim)."""
    dim = x.shape[-1]
    exponents = np.arange(0, dim, 2, dtype=np.float32) / np.float32(dim)
    frequencies = np.float32(1) / np.float32(theta) ** exponents
    angles = (positions.astype(np.float32)[:, None] * frequencies).astype(np.float64)
    cos, sin = np.cos(angles)[:, None, :], np.sin(angles)[:, None, :]
    a, b = x[..., : dim // 2], x[..., dim // 2 :]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


class TextDecoder:
    def __init__(self, config, tensors):
        self.config = config
        self.c = config.get("text_config", config)
        prefix = next(n for n in tensors if n.endswith("embed_tokens.weight"))
        self.prefix = prefix[: -len("embed_tokens.weight")]
        self.tensors = tensors
        self.eps = self.c["rms_norm_eps"]
        self.seen = None  # a dict: intermediates by name, as `gemma3n dump` calls them

    def w(self, name):
        return self.tensors[self.prefix + name]

    def see(self, name, value, layer=None):
        if self.seen is not None:
            name = name if layer is None else f"layer_{layer:02}.{name}"
            self.seen[name] = value.reshape(len(value), -1)

    def embed(self, ids):
        out = self.w("embed_tokens.weight")[ids] * math.sqrt(self.c["hidden_size"])
        for name in ("vision", "audio"):  # audio last: its ids lie above those of vision
            modality = self.config.get(f"{name}_config")
            if modality is None:
                continue
            for at in np.flatnonzero(ids >= modality["vocab_offset"]):
                row = ids[at] - modality["vocab_offset"]
                if row < modality["vocab_size"]:
                    out[at] = self.embed_hard(f"model.embed_{name}.", row, modality["rms_norm_eps"])
        return out

    def embed_hard(self, prefix, row, eps):
        """A special id of a modality (Gemma3nMultimodalEmbedder)."""
        x = self.tensors[prefix + "embedding.weight"][row]
        x = rms_norm(x, self.tensors[prefix + "hard_embedding_norm.weight"], eps)
        return rms_norm(self.tensors[prefix + "embedding_projection.weight"] @ x, None, eps)

    def per_layer_inputs(self, ids, embedded):
        c = self.c
        shape = (len(ids), c["num_hidden_layers"], c["hidden_size_per_layer_input"])
        in_table = np.where(ids < c["vocab_size_per_layer_input"], ids, 0)
        table = self.w("embed_tokens_per_layer.weight")[in_table].reshape(shape)
        table = table * math.sqrt(shape[2])
        projected = embedded @ self.w("per_layer_model_projection.weight").T
        projected = projected.reshape(shape) / math.sqrt(c["hidden_size"])
        projected = rms_norm(projected, self.w("per_layer_projection_norm.weight"), self.eps)
        return (projected + table) / math.sqrt(2)

    def match(self, x, like):
        magnitude = np.sqrt(np.mean(like**2, axis=-1, keepdims=True))
        return x * magnitude / np.sqrt(np.maximum(np.mean(x**2, axis=-1, keepdims=True), 1e-5))

    def route(self, i, x):
        normed = rms_norm(x, self.w(f"layers.{i}.altup.router_norm.weight"), self.eps)
        normed = normed / self.c["hidden_size"]
        return np.tanh(normed @ self.w(f"layers.{i}.altup.modality_router.weight").T)

    def source(self, i):
        own = self.c["num_hidden_layers"] - self.c["num_kv_shared_layers"]
        if i < own:
            return i
        types = self.c["layer_types"]
        return max(s for s in range(own) if types[s] == types[i])

    def attention(self, i, x, caches):
        c = self.c
        dim, groups = c["head_dim"], c["num_key_value_heads"]
        sliding = c["layer_types"][i] == "sliding_attention"
        theta = c["rope_local_base_freq"] if sliding else c["rope_theta"]
        tokens = np.arange(len(x))

        def heads(name):
            return (x @ self.w(f"layers.{i}.self_attn.{name}.weight").T).reshape(len(x), -1, dim)

        q_norm = self.w(f"layers.{i}.self_attn.q_norm.weight")
        q = rotate(rms_norm(heads("q_proj"), q_norm, self.eps), tokens, theta)
        self.see("query", q, i)
        if self.source(i) == i:
            k_norm = self.w(f"layers.{i}.self_attn.k_norm.weight")
            k = rotate(rms_norm(heads("k_proj"), k_norm, self.eps), tokens, theta)
            caches[i] = k, rms_norm(heads("v_proj"), None, self.eps)
            self.see("key", caches[i][0], i)
            self.see("value", caches[i][1], i)
        k, v = (np.repeat(a, q.shape[1] // groups, axis=1) for a in caches[self.source(i)])
        scores = np.einsum("thd,shd->hts", q, k)
        distance = tokens[:, None] - tokens[None, :]
        allowed = distance >= 0
        if sliding:
            allowed &= distance < c["sliding_window"]
        scores = np.where(allowed, scores, -np.inf)
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        out = np.einsum("hts,shd->thd", weights, v).reshape(len(x), -1)
        return out @ self.w(f"layers.{i}.self_attn.o_proj.weight").T

    def feed_forward(self, i, x):
        gate = x @ self.w(f"layers.{i}.mlp.gate_proj.weight").T
        up = x @ self.w(f"layers.{i}.mlp.up_proj.weight").T
        sparsity = self.c["activation_sparsity_pattern"][i]
        if sparsity > 0:
            mean, std = gate.mean(axis=-1, keepdims=True), gate.std(axis=-1, keepdims=True)
            gate = np.maximum(gate - (mean + std * inverse_normal(sparsity)), 0)
            self.see("survivors", (gate != 0).mean(axis=-1), i)
        return (gelu(gate) * up) @ self.w(f"layers.{i}.mlp.down_proj.weight").T

    def layer(self, i, h, per_layer_input, caches):
        def norm(name, x):
            return rms_norm(x, self.w(f"layers.{i}.{name}.weight"), self.eps)

        streams = len(h)
        coefs = self.route(i, h[0]) @ self.w(f"layers.{i}.altup.prediction_coefs.weight").T
        coefs = coefs.reshape(-1, streams, streams)
        predicted = h + np.einsum("tij,jtd->itd", coefs, h)
        x = norm("input_layernorm", predicted[0])
        self.see("predicted_0", predicted[0], i)
        self.see("normed", x, i)

        low = x @ self.w(f"layers.{i}.laurel.linear_left.weight").T
        laurel = x + norm("laurel.post_laurel_norm", low @ self.w(f"layers.{i}.laurel.linear_right.weight").T)
        attention = norm("post_attention_layernorm", self.attention(i, x, caches))
        y = (predicted[0] + attention + laurel) / math.sqrt(2)
        self.see("attention", attention, i)
        self.see("laurel", laurel, i)
        self.see("attention_laurel", y, i)

        f = self.feed_forward(i, norm("pre_feedforward_layernorm", y))
        z = y + norm("post_feedforward_layernorm", f)
        gains = 1 + self.route(i, z) @ self.w(f"layers.{i}.altup.correction_coefs.weight").T
        h = predicted + gains.T[:, :, None] * (z - predicted[0])
        self.see("activated", z, i)
        self.see("correction", gains, i)

        s = h[0]
        if self.c.get("altup_correct_scale", True):
            s = s * self.w(f"layers.{i}.altup.correct_output_scale")
        gated = gelu(s @ self.w(f"layers.{i}.per_layer_input_gate.weight").T) * per_layer_input
        r = gated @ self.w(f"layers.{i}.per_layer_projection.weight").T
        h[1:] += norm("post_per_layer_input_norm", r)
        self.see("per_layer_input", per_layer_input, i)
        for k in range(streams):
            self.see(f"stream_{k}", h[k], i)
        return h

    def logits(self, ids):
        """ids [tokens] -> logits [tokens, vocab]."""
        c, ids = self.c, np.asarray(ids)
        embedded = self.embed(ids)
        per_layer = self.per_layer_inputs(ids, embedded)
        self.see("embedding", embedded)
        h = [embedded]
        for k in range(c["altup_num_inputs"] - 1):
            h.append(self.match(embedded @ self.w(f"altup_projections.{k}.weight").T, embedded))
        h = np.stack(h)
        for k, stream in enumerate(h):
            self.see(f"stream_{k}", stream)
        caches = {}
        for i in range(c["num_hidden_layers"]):
            h = self.layer(i, h, per_layer[:, i], caches)
        merged = h[0].copy()
        for k in range(1, len(h)):
            merged += self.match(h[k] @ self.w(f"altup_unembed_projections.{k - 1}.weight").T, h[0])
        merged /= len(h)
        self.see("merged", merged)
        normed = rms_norm(merged, self.w("norm.weight"), self.eps)
        self.see("merged_normed", normed)
        out = normed @ self.w("embed_tokens.weight").T
        self.see("logits_uncapped", out)
        cap = c.get("final_logit_softcapping")
        out = out if not cap else cap * np.tanh(out / cap)
        self.see("logits", out)
        return out
