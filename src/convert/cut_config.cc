// SPDX-License-Identifier: Apache-2.0
#include "convert/cut_config.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace gemma3n {
namespace {

using Json = nlohmann::ordered_json;

void CutText(const TextConfig& full, const SubmodelShape& shape, Json& text) {
  Json types = Json::array(), sparsity = Json::array();
  int64_t sharing = 0;
  for (const int layer : shape.layers) {
    const size_t i = static_cast<size_t>(layer);
    types.push_back(full.is_sliding(layer) ? "sliding_attention" : "full_attention");
    sparsity.push_back(full.activation_sparsity_pattern[i]);
    sharing += full.shares_kv(layer) ? 1 : 0;
  }
  text["num_hidden_layers"] = shape.layers.size();
  text["intermediate_size"] = shape.intermediate_size;
  text["layer_types"] = types;
  text["activation_sparsity_pattern"] = sparsity;
  // Layers that share are the last ones, and so are those of them that are kept.
  text["num_kv_shared_layers"] = sharing;
}

// A whole model's configuration as that of its text model alone.
Json TextOnly(const Json& whole) {
  Json flat = whole["text_config"];
  flat["architectures"] = {"Gemma3nForCausalLM"};
  flat["model_type"] = "gemma3n_text";
  for (const auto& [key, value] : whole.items()) {
    if (key == "text_config" || key == "vision_config" || key == "audio_config") continue;
    // What counts where both have it.
    if (key == "eos_token_id" || key == "tie_word_embeddings") flat[key] = value;
    if (!flat.contains(key)) flat[key] = value;
  }
  return flat;
}

}  // namespace

std::string CutConfig(const std::string& text, const TextConfig& full, const SubmodelShape& shape,
                      const LeftOut& left_out) {
  Json config = Json::parse(text);
  const auto inner = config.find("text_config");
  const bool whole = inner != config.end() && inner->is_object();
  CutText(full, shape, whole ? *inner : config);
  if (whole && left_out.text_only) {
    config = TextOnly(config);
  } else if (whole) {
    if (left_out.vision) config["vision_config"] = nullptr;
    if (left_out.audio) config["audio_config"] = nullptr;
  }
  return config.dump(2) + "\n";
}

}  // namespace gemma3n
