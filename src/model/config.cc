// SPDX-License-Identifier: Apache-2.0
#include "model/config.h"

#include <algorithm>

#include "gemma3n/error.h"

namespace gemma3n {
namespace {

// Wider than any model of this family, and small enough that products of them stay far from
// overflow.
constexpr int64_t kMostLayers = 1024;
constexpr int64_t kMostWidth = 1 << 20;
constexpr int64_t kMostVocabulary = 1 << 24;
constexpr int64_t kMostPositions = 1 << 24;
constexpr int64_t kMostId = kMostVocabulary - 1;
constexpr int64_t kMostSoftTokens = 1 << 16;  // of one picture or clip

// A scalar for all layers, or one value per layer.
template <class T, class Read>
std::vector<T> PerLayer(const JsonValue& value, int64_t layers, const Read& read) {
  if (!value.IsArray()) return std::vector<T>(layers, read(value));
  const std::vector<JsonValue> items = value.Items();
  if (static_cast<int64_t>(items.size()) != layers) {
    value.Fail("one value for each of the " + std::to_string(layers) + " layers");
  }
  std::vector<T> result;
  for (const JsonValue& item : items) result.push_back(read(item));
  return result;
}

std::vector<bool> LayerTypes(const JsonValue& value, int64_t layers) {
  std::vector<bool> sliding;
  if (value.IsNull()) {
    for (int64_t layer = 0; layer < layers; ++layer) sliding.push_back((layer + 1) % 5 != 0);
    return sliding;
  }
  return PerLayer<bool>(value, layers, [](const JsonValue& item) {
    const std::string type = item.String();
    if (type != "sliding_attention" && type != "full_attention") {
      item.Fail("\"sliding_attention\" or \"full_attention\"");
    }
    return type == "sliding_attention";
  });
}

std::vector<double> Sparsity(const JsonValue& value, int64_t layers) {
  if (!value.IsNull()) {
    return PerLayer<double>(value, layers,
                            [](const JsonValue& item) { return item.Number(0.0, 0.999999); });
  }
  std::vector<double> pattern(layers, 0.0);
  if (layers > 10) std::fill_n(pattern.begin(), 10, 0.95);
  return pattern;
}

double RopeTheta(const JsonValue& text, const char* kind, const char* flat_name, double fallback) {
  const JsonValue parameters = text["rope_parameters"][kind];
  const std::string type = parameters["rope_type"].StringOr("default");
  if (type != "default") {
    parameters["rope_type"].Fail("\"default\", the only kind of rotary embedding here");
  }
  const JsonValue theta = parameters["rope_theta"];
  const JsonValue& value = theta.IsNull() ? text[flat_name] : theta;
  return value.NumberOr(fallback, 1.0, 1e12);
}

// One id or a list of them.
std::vector<int32_t> Ids(const JsonValue& value) {
  std::vector<int32_t> ids;
  if (value.IsNull()) return ids;
  const auto read = [](const JsonValue& item) {
    return static_cast<int32_t>(item.Int(0, kMostId));
  };
  if (!value.IsArray()) return {read(value)};
  for (const JsonValue& item : value.Items()) ids.push_back(read(item));
  return ids;
}

void CheckSharing(const JsonValue& text, const TextConfig& config) {
  for (int layer = 0; layer < config.num_hidden_layers; ++layer) {
    if (config.kv_source_layer(layer) < 0) {
      text["num_kv_shared_layers"].Fail("that layer " + std::to_string(layer) +
                                        " finds a layer of its kind to share with");
    }
  }
}

void RefuseWhatWeCannot(const JsonValue& text) {
  const auto only = [&](const char* field, const std::string& wanted, bool holds) {
    if (!holds) text[field].Fail(wanted + ", the only value this engine knows");
  };
  only("altup_active_idx", "0", text["altup_active_idx"].IntOr(0) == 0);
  const std::string activation = text["hidden_activation"].StringOr("gelu_pytorch_tanh");
  only("hidden_activation", "\"gelu_pytorch_tanh\"", activation == "gelu_pytorch_tanh");
  only("attention_bias", "false", !text["attention_bias"].BoolOr(false));
  const JsonValue scaling = text["rope_scaling"];
  const std::string type = scaling["rope_type"].StringOr(scaling["type"].StringOr("default"));
  only("rope_scaling", "null or rope_type \"default\"", type == "default");
}

ModalityConfig Modality(const JsonValue& value, const ModalityConfig& defaults) {
  ModalityConfig config;
  config.hidden_size = value["hidden_size"].IntOr(defaults.hidden_size, 1, kMostWidth);
  config.vocab_size = value["vocab_size"].IntOr(defaults.vocab_size, 1, kMostVocabulary);
  config.vocab_offset = value["vocab_offset"].IntOr(defaults.vocab_offset, 0, kMostId);
  config.rms_norm_eps = value["rms_norm_eps"].NumberOr(defaults.rms_norm_eps, 0.0, 1.0);
  return config;
}

}  // namespace

int TextConfig::kv_source_layer(int layer) const {
  if (!shares_kv(layer)) return layer;
  for (int64_t source = num_hidden_layers - num_kv_shared_layers - 1; source >= 0; --source) {
    if (sliding[source] == sliding[layer]) return static_cast<int>(source);
  }
  return -1;
}

TextConfig TextConfig::Parse(const JsonValue& text) {
  RefuseWhatWeCannot(text);
  TextConfig config;
  const auto size = [&](const char* field, int64_t fallback, int64_t most) {
    return text[field].IntOr(fallback, 1, most);
  };
  config.vocab_size = size("vocab_size", 262400, kMostVocabulary);
  config.vocab_size_per_layer_input = size("vocab_size_per_layer_input", 262144, kMostVocabulary);
  config.hidden_size = size("hidden_size", 2048, kMostWidth);
  config.hidden_size_per_layer_input = size("hidden_size_per_layer_input", 256, kMostWidth);
  config.num_hidden_layers = size("num_hidden_layers", 35, kMostLayers);
  config.num_attention_heads = size("num_attention_heads", 8, kMostWidth);
  config.num_key_value_heads = size("num_key_value_heads", 2, kMostWidth);
  config.head_dim = size("head_dim", 256, kMostWidth);
  config.sliding_window = size("sliding_window", 512, kMostPositions);
  config.max_position_embeddings = size("max_position_embeddings", 32768, kMostPositions);
  config.altup_num_inputs = size("altup_num_inputs", 4, 64);
  config.laurel_rank = size("laurel_rank", 64, kMostWidth);
  const int64_t layers = config.num_hidden_layers;
  config.num_kv_shared_layers = text["num_kv_shared_layers"].IntOr(15, 0, layers - 1);
  const JsonValue widths = text["intermediate_size"];
  config.intermediate_size = PerLayer<int64_t>(
      widths, layers, [](const JsonValue& item) { return item.IntOr(16384, 1, kMostWidth); });
  config.activation_sparsity_pattern = Sparsity(text["activation_sparsity_pattern"], layers);
  config.sliding = LayerTypes(text["layer_types"], layers);
  config.rope_theta = RopeTheta(text, "full_attention", "rope_theta", 1e6);
  config.rope_local_base_freq = RopeTheta(text, "sliding_attention", "rope_local_base_freq", 1e4);
  config.rms_norm_eps = static_cast<float>(text["rms_norm_eps"].NumberOr(1e-6, 0.0, 1.0));
  // A missing field means the class's default, an explicit null means no cap.
  const bool cap_is_stated = text.IsObject() && [&] {
    const std::vector<std::string> keys = text.Keys();
    return std::find(keys.begin(), keys.end(), "final_logit_softcapping") != keys.end();
  }();
  config.final_logit_softcapping = static_cast<float>(
      text["final_logit_softcapping"].NumberOr(cap_is_stated ? 0.0 : 30.0, 0.0, 1e6));
  config.altup_correct_scale = text["altup_correct_scale"].BoolOr(true);
  if (config.head_dim % 2 != 0) text["head_dim"].Fail("an even number");
  if (config.num_attention_heads % config.num_key_value_heads != 0) {
    text["num_attention_heads"].Fail("a multiple of num_key_value_heads, " +
                                     std::to_string(config.num_key_value_heads));
  }
  CheckSharing(text, config);
  return config;
}

ModelConfig ModelConfig::Parse(const JsonValue& root) {
  const std::string type = root["model_type"].StringOr("");
  const bool whole = root["text_config"].IsObject();
  if (type != "gemma3n" && type != "gemma3n_text") {
    root["model_type"].Fail("\"gemma3n\" or \"gemma3n_text\"");
  }
  const JsonValue text = whole ? root["text_config"] : root;
  ModelConfig config;
  config.text = TextConfig::Parse(text);
  if (whole) {
    config.vision = Modality(root["vision_config"], {2048, 128, 262144, 1e-6});
    config.audio = Modality(root["audio_config"], {1536, 128, 262272, 1e-6});
  }
  const auto id = [&](const char* field, int32_t fallback) {
    return static_cast<int32_t>(root[field].IntOr(fallback, 0, kMostId));
  };
  config.boi_token_id = id("boi_token_id", 255999);
  config.eoi_token_id = id("eoi_token_id", 262144);
  config.image_token_id = id("image_token_id", 262145);
  config.boa_token_id = id("boa_token_id", 256000);
  config.eoa_token_id = id("eoa_token_id", 262272);
  config.audio_token_id = id("audio_token_id", 262273);
  config.vision_soft_tokens_per_image =
      root["vision_soft_tokens_per_image"].IntOr(256, 1, kMostSoftTokens);
  config.audio_soft_tokens_per_image =
      root["audio_soft_tokens_per_image"].IntOr(188, 1, kMostSoftTokens);
  config.eos_token_ids = Ids(root["eos_token_id"]);
  if (config.eos_token_ids.empty()) config.eos_token_ids = Ids(text["eos_token_id"]);
  if (config.eos_token_ids.empty()) config.eos_token_ids = {1};
  config.bos_token_id = static_cast<int32_t>(text["bos_token_id"].IntOr(2, 0, kMostId));
  config.pad_token_id = static_cast<int32_t>(text["pad_token_id"].IntOr(0, 0, kMostId));
  config.tie_word_embeddings = root["tie_word_embeddings"].BoolOr(true);
  return config;
}

GenerationConfig GenerationConfig::Load(const Checkpoint& checkpoint, const ModelConfig& config) {
  return Parse(checkpoint.Json("generation_config.json"), config);
}

GenerationConfig GenerationConfig::Parse(const JsonValue& file, const ModelConfig& config) {
  GenerationConfig result;
  result.do_sample = file["do_sample"].BoolOr(false);
  result.temperature = file["temperature"].NumberOr(1.0, 0.0, 100.0);
  result.top_k = file["top_k"].IntOr(result.do_sample ? 50 : 0, 0, kMostVocabulary);
  result.top_p = file["top_p"].NumberOr(1.0, 0.0, 1.0);
  result.eos_token_ids = Ids(file["eos_token_id"]);
  if (result.eos_token_ids.empty()) result.eos_token_ids = config.eos_token_ids;
  return result;
}

}  // namespace gemma3n
