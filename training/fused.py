# SPDX-License-Identifier: Apache-2.0
"""Gemma 3n's decoder layer for training: the arithmetic of Transformers' Gemma3nTextDecoderLayer as two
functions around the attention, so that torch.compile joins what lies between the matrix products.

The feed-forward part takes the first `mlp.width` neurons, as MatFormer cuts them, and `mlp.deviations`
standard deviations as the threshold of its sparsity (None: dense). AltUp's clipping of coefficients is
left out: weights of training stay far below its limit.
"""
import math

import torch
from torch.nn.functional import gelu, linear, relu, scaled_dot_product_attention

EPSILON = 1e-6


def _norm(x, weight=None):
    x = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPSILON)
    return x if weight is None else x * weight


def _rotated(x, cos, sin):
    half = x.shape[-1] // 2
    return x * cos + torch.cat([-x[..., half:], x[..., :half]], -1) * sin


def _modalities(x, router_norm, router):
    return torch.tanh(linear(_norm(x, router_norm) / x.shape[-1], router))


def _queries(streams, cos, sin, router_norm, router, prediction, input_norm, q_proj, q_norm, heads):
    """(predicted streams [4, batch, tokens, hidden], normed active stream, queries)."""
    active = streams[0]
    count = streams.shape[0]
    coefficients = linear(_modalities(active, router_norm, router), prediction)
    coefficients = coefficients.view(*active.shape[:2], count, count).permute(2, 3, 0, 1)[..., None]
    predicted = streams
    for i in range(count):
        predicted = predicted + streams[i] * coefficients[:, i]
    normed = _norm(predicted[0], input_norm)
    shape = (*active.shape[:2], heads, -1)
    queries = _rotated(_norm(linear(normed, q_proj).view(shape), q_norm), cos, sin)
    return predicted, normed, queries.transpose(1, 2)


def _keys(normed, cos, sin, k_proj, k_norm, v_proj, heads):
    shape = (*normed.shape[:2], heads, -1)
    keys = _rotated(_norm(linear(normed, k_proj).view(shape), k_norm), cos, sin)
    return keys.transpose(1, 2), _norm(linear(normed, v_proj).view(shape)).transpose(1, 2)


def _rest(predicted, normed, mixed, per_layer, deviations, w):
    """The layer from the attention's answer [batch, heads, tokens, head] on."""
    active = predicted[0]
    laurel = normed + _norm(linear(linear(normed, w["laurel_left"]), w["laurel_right"]), w["laurel_norm"])
    attended = linear(mixed.transpose(1, 2).flatten(2), w["o_proj"])
    attended = active + _norm(attended, w["post_attention"])
    hidden = (attended + laurel) / math.sqrt(2)

    x = _norm(hidden, w["pre_feedforward"])
    gate = linear(x, w["gate"])
    if deviations is not None:
        cutoff = gate.mean(-1, keepdim=True) + deviations * gate.std(-1, keepdim=True, unbiased=False)
        gate = relu(gate - cutoff)
    x = linear(gelu(gate, approximate="tanh") * linear(x, w["up"]), w["down"])
    activated = hidden + _norm(x, w["post_feedforward"])

    coefficients = linear(_modalities(activated, w["router_norm"], w["router"]), w["correction"]) + 1.0
    corrected = predicted + (activated - active) * coefficients.permute(2, 0, 1)[..., None]
    first = linear(corrected[0] * w["output_scale"], w["per_layer_gate"])
    first = linear(gelu(first, approximate="tanh") * per_layer, w["per_layer_projection"])
    first = _norm(first, w["post_per_layer"])
    return torch.cat([corrected[:1], corrected[1:] + first])


def layer_forward(self, hidden_states, position_embeddings=None, per_layer_input=None, shared_kv_states=None,
                  attention_mask=None, **_):
    """Takes the place of Gemma3nTextDecoderLayer.forward; a skipped layer passes its input on."""
    if self.skipped:
        return hidden_states
    attention, altup = self.self_attn, self.altup
    cos, sin = (part[:, :, None] for part in position_embeddings)
    predicted, normed, queries = _queries(
        hidden_states, cos, sin, altup.router_norm.weight, altup.modality_router.weight,
        altup.prediction_coefs.weight, self.input_layernorm.weight, attention.q_proj.weight,
        attention.q_norm.weight, attention.config.num_attention_heads)
    if attention.is_kv_shared_layer:
        keys, values = shared_kv_states[attention.layer_type]
    else:
        keys, values = _keys(normed, cos, sin, attention.k_proj.weight, attention.k_norm.weight,
                             attention.v_proj.weight, attention.config.num_key_value_heads)
    if attention.store_full_length_kv:
        shared_kv_states[attention.layer_type] = keys, values
    mixed = scaled_dot_product_attention(
        queries, keys, values, attn_mask=attention_mask, is_causal=attention_mask is None, scale=1.0,
        enable_gqa=True)
    mlp, laurel = self.mlp, self.laurel
    return _rest(predicted, normed, mixed, per_layer_input, mlp.deviations, {
        "laurel_left": laurel.linear_left.weight, "laurel_right": laurel.linear_right.weight,
        "laurel_norm": laurel.post_laurel_norm.weight, "o_proj": attention.o_proj.weight,
        "post_attention": self.post_attention_layernorm.weight,
        "pre_feedforward": self.pre_feedforward_layernorm.weight,
        "gate": mlp.gate_proj.weight[:mlp.width], "up": mlp.up_proj.weight[:mlp.width],
        "down": mlp.down_proj.weight[:, :mlp.width],
        "post_feedforward": self.post_feedforward_layernorm.weight,
        "router_norm": altup.router_norm.weight, "router": altup.modality_router.weight,
        "correction": altup.correction_coefs.weight, "output_scale": altup.correct_output_scale,
        "per_layer_gate": self.per_layer_input_gate.weight,
        "per_layer_projection": self.per_layer_projection.weight,
        "post_per_layer": self.post_per_layer_input_norm.weight})


def compile_parts():
    """Compiles the parts; the first steps then take a minute or two."""
    torch._dynamo.config.cache_size_limit = 64
    for name in ("_queries", "_keys", "_rest"):
        globals()[name] = torch.compile(globals()[name], dynamic=True)
