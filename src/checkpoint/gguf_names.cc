// SPDX-License-Identifier: Apache-2.0
// One table of pairs, read in both directions: '#' stands for a number, '*' for the rest of a name.
#include "checkpoint/gguf_names.h"

#include <algorithm>
#include <vector>

namespace gemma3n {
namespace {

struct NamePair {
  std::string_view ours, theirs;
  GgufName::File file = GgufName::File::kModel;
};

constexpr GgufName::File kProjector = GgufName::File::kProjector;

#define TEXT "model.language_model."
#define LAYER "model.language_model.layers.#."
#define VISION "model.vision_tower.timm_model."
#define AUDIO "model.audio_tower."
#define BLOCK "model.audio_tower.conformer.#."
constexpr NamePair kPairs[] = {
    {TEXT "embed_tokens.weight", "token_embd.weight"},
    {TEXT "embed_tokens_per_layer.weight", "per_layer_token_embd.weight"},
    {TEXT "per_layer_model_projection.weight", "per_layer_model_proj.weight"},
    {TEXT "per_layer_projection_norm.weight", "per_layer_proj_norm.weight"},
    {TEXT "norm.weight", "output_norm.weight"},
    {"lm_head.weight", "output.weight"},
    {LAYER "input_layernorm.weight", "blk.#.attn_norm.weight"},
    {LAYER "self_attn.q_proj.weight", "blk.#.attn_q.weight"},
    {LAYER "self_attn.k_proj.weight", "blk.#.attn_k.weight"},
    {LAYER "self_attn.v_proj.weight", "blk.#.attn_v.weight"},
    {LAYER "self_attn.o_proj.weight", "blk.#.attn_output.weight"},
    {LAYER "self_attn.q_norm.weight", "blk.#.attn_q_norm.weight"},
    {LAYER "self_attn.k_norm.weight", "blk.#.attn_k_norm.weight"},
    {LAYER "post_attention_layernorm.weight", "blk.#.post_attention_norm.weight"},
    {LAYER "pre_feedforward_layernorm.weight", "blk.#.ffn_norm.weight"},
    {LAYER "mlp.gate_proj.weight", "blk.#.ffn_gate.weight"},
    {LAYER "mlp.up_proj.weight", "blk.#.ffn_up.weight"},
    {LAYER "mlp.down_proj.weight", "blk.#.ffn_down.weight"},
    {LAYER "post_feedforward_layernorm.weight", "blk.#.post_ffw_norm.weight"},
    {LAYER "altup.router_norm.weight", "blk.#.altup_router_norm.weight"},
    {LAYER "altup.modality_router.weight", "blk.#.altup_router.weight"},
    {LAYER "altup.prediction_coefs.weight", "blk.#.altup_predict_coef.weight"},
    {LAYER "altup.correction_coefs.weight", "blk.#.altup_correct_coef.weight"},
    {LAYER "altup.correct_output_scale", "blk.#.altup_correct_scale.weight"},
    {LAYER "laurel.linear_left.weight", "blk.#.laurel_l.weight"},
    {LAYER "laurel.linear_right.weight", "blk.#.laurel_r.weight"},
    {LAYER "laurel.post_laurel_norm.weight", "blk.#.laurel_post_norm.weight"},
    {LAYER "per_layer_input_gate.weight", "blk.#.inp_gate.weight"},
    {LAYER "per_layer_projection.weight", "blk.#.proj.weight"},
    {LAYER "post_per_layer_input_norm.weight", "blk.#.post_norm.weight"},

    {"model.embed_vision.embedding.weight", "mm.embedding.weight", kProjector},
    {"model.embed_vision.hard_embedding_norm.weight", "mm.hard_emb_norm.weight", kProjector},
    {"model.embed_vision.soft_embedding_norm.weight", "mm.soft_emb_norm.weight", kProjector},
    {"model.embed_vision.embedding_projection.weight", "mm.input_projection.weight", kProjector},
    {"model.embed_audio.embedding.weight", "mm.a.embedding.weight", kProjector},
    {"model.embed_audio.hard_embedding_norm.weight", "mm.a.hard_emb_norm.weight", kProjector},
    {"model.embed_audio.soft_embedding_norm.weight", "mm.a.soft_emb_norm.weight", kProjector},
    {"model.embed_audio.embedding_projection.weight", "mm.a.input_projection.weight", kProjector},

    {VISION "conv_stem.conv.weight", "v.conv_stem.conv.weight", kProjector},
    {VISION "conv_stem.conv.bias", "v.conv_stem.conv.bias", kProjector},
    {VISION "conv_stem.bn.weight", "v.conv_stem.bn.weight", kProjector},
    {VISION "blocks.#.#.*", "v.blk.#.#.*", kProjector},
    {VISION "msfa.ffn.pw_exp.conv.weight", "v.msfa.ffn.pw_exp.conv.weight", kProjector},
    {VISION "msfa.ffn.pw_exp.bn.weight", "v.msfa.ffn.pw_exp.bn.weight", kProjector},
    {VISION "msfa.ffn.pw_proj.conv.weight", "v.msfa.ffn.pw_proj.conv.weight", kProjector},
    {VISION "msfa.ffn.pw_proj.bn.weight", "v.msfa.ffn.pw_proj.bn.weight", kProjector},
    {VISION "msfa.norm.weight", "v.msfa.norm.weight", kProjector},

    // Three of these mislead: conv_norm is the convolution module's first norm, norm_conv the one
    // after its depthwise convolution, and layer_pre_norm the block's last.
    {AUDIO "subsample_conv_projection.conv_#.conv.weight", "a.conv1d.#.weight", kProjector},
    {AUDIO "subsample_conv_projection.conv_#.norm.weight", "a.conv1d.#.norm.weight", kProjector},
    {AUDIO "subsample_conv_projection.input_proj_linear.weight", "a.pre_encode.out.weight",
     kProjector},
    {BLOCK "ffw_layer_start.pre_layer_norm.weight", "a.blk.#.ffn_norm.weight", kProjector},
    {BLOCK "ffw_layer_start.ffw_layer_1.weight", "a.blk.#.ffn_up.weight", kProjector},
    {BLOCK "ffw_layer_start.ffw_layer_2.weight", "a.blk.#.ffn_down.weight", kProjector},
    {BLOCK "ffw_layer_start.post_layer_norm.weight", "a.blk.#.ffn_post_norm.weight", kProjector},
    {BLOCK "attention.pre_attn_norm.weight", "a.blk.#.ln1.weight", kProjector},
    {BLOCK "attention.attn.q_proj.weight", "a.blk.#.attn_q.weight", kProjector},
    {BLOCK "attention.attn.k_proj.weight", "a.blk.#.attn_k.weight", kProjector},
    {BLOCK "attention.attn.v_proj.weight", "a.blk.#.attn_v.weight", kProjector},
    {BLOCK "attention.attn.per_dim_scale", "a.blk.#.per_dim_scale", kProjector},
    {BLOCK "attention.attn.relative_position_embedding.pos_proj.weight",
     "a.blk.#.linear_pos.weight", kProjector},
    {BLOCK "attention.post.weight", "a.blk.#.attn_out.weight", kProjector},
    {BLOCK "attention.post_norm.weight", "a.blk.#.ln2.weight", kProjector},
    {BLOCK "lconv1d.pre_layer_norm.weight", "a.blk.#.conv_norm.weight", kProjector},
    {BLOCK "lconv1d.linear_start.weight", "a.blk.#.conv_pw1.weight", kProjector},
    {BLOCK "lconv1d.depthwise_conv1d.weight", "a.blk.#.conv_dw.weight", kProjector},
    {BLOCK "lconv1d.conv_norm.weight", "a.blk.#.norm_conv.weight", kProjector},
    {BLOCK "lconv1d.linear_end.weight", "a.blk.#.conv_pw2.weight", kProjector},
    {BLOCK "ffw_layer_end.pre_layer_norm.weight", "a.blk.#.ffn_norm_1.weight", kProjector},
    {BLOCK "ffw_layer_end.ffw_layer_1.weight", "a.blk.#.ffn_up_1.weight", kProjector},
    {BLOCK "ffw_layer_end.ffw_layer_2.weight", "a.blk.#.ffn_down_1.weight", kProjector},
    {BLOCK "ffw_layer_end.post_layer_norm.weight", "a.blk.#.ffn_post_norm_1.weight", kProjector},
    {BLOCK "norm.weight", "a.blk.#.layer_pre_norm.weight", kProjector},
};

// Matrices that are one tensor there; '#' is a matrix's number.
constexpr NamePair kStacks[] = {
    {TEXT "altup_projections.#.weight", "altup_proj.weight"},
    {TEXT "altup_unembed_projections.#.weight", "altup_unembd_proj.weight"},
};

// Spellings that some writers use for a name of the table above.
constexpr NamePair kOtherSpellings[] = {
    {"blk.#.altup_correct_scale.weight", "blk.#.altup_correct_scale"},
    {"a.blk.#.per_dim_scale", "a.blk.#.per_dim_scale.weight"},
};
#undef TEXT
#undef LAYER
#undef VISION
#undef AUDIO
#undef BLOCK

bool IsDigit(char c) {
  return c >= '0' && c <= '9';
}

// What stands in `name` for each '#' and '*' of the pattern; nothing where it does not fit.
std::optional<std::vector<std::string_view>> Match(std::string_view pattern,
                                                   std::string_view name) {
  constexpr size_t kMostDigits = 6;
  std::vector<std::string_view> found;
  for (const char c : pattern) {
    size_t length = 0;
    if (c == '*') {
      length = name.size();
    } else if (c == '#') {
      while (length < name.size() && IsDigit(name[length])) ++length;
      if (length > kMostDigits || (length > 1 && name[0] == '0')) return std::nullopt;
    } else {
      if (name.empty() || name[0] != c) return std::nullopt;
      name.remove_prefix(1);
      continue;
    }
    if (length == 0) return std::nullopt;
    found.push_back(name.substr(0, length));
    name.remove_prefix(length);
  }
  if (!name.empty()) return std::nullopt;
  return found;
}

std::string Fill(std::string_view pattern, const std::vector<std::string_view>& with) {
  std::string name;
  size_t next = 0;
  for (const char c : pattern) {
    if (c == '#' || c == '*') {
      name += with[next++];
    } else {
      name += c;
    }
  }
  return name;
}

bool EndsWith(std::string_view text, std::string_view end) {
  return text.size() >= end.size() && text.substr(text.size() - end.size()) == end;
}

}  // namespace

std::optional<GgufName> ToGgufName(std::string_view name) {
  for (const NamePair& stack : kStacks) {
    if (const auto number = Match(stack.ours, name)) {
      return GgufName{.name = std::string(stack.theirs),
                      .part = std::stoi(std::string((*number)[0]))};
    }
  }
  for (const NamePair& pair : kPairs) {
    const auto found = Match(pair.ours, name);
    if (!found) continue;
    GgufName result{.file = pair.file, .name = Fill(pair.theirs, *found)};
    result.spread = pair.file == kProjector &&
                    (EndsWith(name, "conv_stem.conv.bias") || EndsWith(name, "layer_scale.gamma"));
    return result;
  }
  return std::nullopt;
}

std::optional<HuggingFaceName> FromGgufName(std::string_view name) {
  for (const NamePair& stack : kStacks) {
    if (name == stack.theirs) return HuggingFaceName{std::string(stack.ours), true};
  }
  std::string usual(name);
  for (const NamePair& spelling : kOtherSpellings) {
    if (const auto found = Match(spelling.theirs, name)) usual = Fill(spelling.ours, *found);
  }
  for (const NamePair& pair : kPairs) {
    if (const auto found = Match(pair.theirs, usual)) {
      return HuggingFaceName{Fill(pair.ours, *found), false};
    }
  }
  return std::nullopt;
}

std::string HuggingFaceName::Part(int64_t part) const {
  std::string result = name;
  return result.replace(result.find('#'), 1, std::to_string(part));
}

}  // namespace gemma3n
