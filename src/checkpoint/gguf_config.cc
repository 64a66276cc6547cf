// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/gguf_config.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>

#include "base/utf8.h"
#include "checkpoint/gguf_vision.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kMostLayers = 1024;
constexpr int64_t kMostWidth = 1 << 20;
constexpr int64_t kMostPositions = 1 << 24;
constexpr int64_t kKeyValueLayers = 20;  // of the released models; the others share
constexpr char kPerLayerTable[] = "per_layer_token_embd.weight";
constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The metadata of one file below a prefix.
class Keys {
 public:
  Keys(const Gguf& gguf, std::string prefix) : gguf_(gguf), prefix_(std::move(prefix)) {}

  const GgufValue* Find(const std::string& key) const { return gguf_.Find(prefix_ + key); }
  int64_t Int(const std::string& key, int64_t min, int64_t max) const {
    const GgufValue* value = Find(key);
    if (value == nullptr) {
      Fail(key, "an integer in [" + std::to_string(min) + ", " + std::to_string(max) + "]");
    }
    return value->Int(min, max);
  }
  int64_t IntOr(const std::string& key, int64_t fallback, int64_t min, int64_t max) const {
    const GgufValue* value = Find(key);
    return value == nullptr ? fallback : value->Int(min, max);
  }
  double NumberOr(const std::string& key, double fallback, double min, double max) const {
    const GgufValue* value = Find(key);
    return value == nullptr ? fallback : value->Number(min, max);
  }
  // float32 stands for what somebody wrote in decimals: 1e-06, not 9.99999997e-07.
  double DecimalOr(const std::string& key, double fallback, double min, double max) const {
    return ShortestDecimal(NumberOr(key, fallback, min, max));
  }
  [[noreturn]] void Fail(const std::string& key, const std::string& expected) const {
    throw Error(ErrorKind::kModel, gguf_.file().path().string() + ": " + prefix_ + key +
                                       ": expected " + expected + ", found nothing");
  }

 private:
  static double ShortestDecimal(double value) {
    char text[32];
    std::snprintf(text, sizeof(text), "%.7g", value);
    const double decimal = std::strtod(text, nullptr);
    return static_cast<float>(decimal) == static_cast<float>(value) ? decimal : value;
  }

  const Gguf& gguf_;
  std::string prefix_;
};

// The size of a dimension of a tensor, `fallback` where there is no such tensor.
int64_t DimOr(const Gguf& gguf, const std::string& tensor, size_t dim, int64_t fallback) {
  const auto found = gguf.tensors().find(tensor);
  if (found == gguf.tensors().end() || found->second.shape.rank() <= dim) return fallback;
  return found->second.shape[dim];
}

int64_t NeededDim(const Gguf& gguf, const std::string& tensor, size_t dim) {
  const int64_t size = DimOr(gguf, tensor, dim, 0);
  if (size > 0) return size;
  throw Error(ErrorKind::kModel, gguf.file().path().string() + ": tensor '" + tensor +
                                     "': expected a matrix, found nothing");
}

// One number for all layers, or a number for each.
Json PerLayerWidths(const Keys& keys, int64_t layers) {
  const char* key = "feed_forward_length";
  const GgufValue* value = keys.Find(key);
  if (value == nullptr) keys.Fail(key, "the width of the feed-forward layers");
  if (!value->IsArray()) return std::vector<int64_t>(layers, value->Int(1, kMostWidth));
  if (value->size() != static_cast<uint64_t>(layers)) {
    value->Fail("one value for each of the " + std::to_string(layers) + " layers");
  }
  return value->Ints(1, kMostWidth);
}

// Which layers are sliding: a mark for each, or after how many layers a full one comes.
std::optional<Json> LayerTypes(const Keys& keys, int64_t layers) {
  const GgufValue* value = keys.Find("attention.sliding_window_pattern");
  if (value == nullptr) return std::nullopt;
  std::vector<bool> sliding;
  if (value->IsArray()) {
    if (value->size() != static_cast<uint64_t>(layers)) {
      value->Fail("one value for each of the " + std::to_string(layers) + " layers");
    }
    sliding = value->Bools();
  } else {
    const int64_t period = value->Int(1, kMostLayers);
    for (int64_t layer = 0; layer < layers; ++layer) sliding.push_back((layer + 1) % period != 0);
  }
  Json types = Json::array();
  for (const bool is : sliding) types.push_back(is ? "sliding_attention" : "full_attention");
  return types;
}

// GGUF says how many deviations above the mean a neuron must be, -inf for all of them; Hugging Face
// says which share of them is cut off.
std::optional<Json> Sparsity(const Keys& keys, int64_t layers) {
  const GgufValue* value = keys.Find("activation_sparsity_scale");
  if (value == nullptr) return std::nullopt;
  if (!value->IsArray() || value->size() != static_cast<uint64_t>(layers)) {
    value->Fail("one value for each of the " + std::to_string(layers) + " layers");
  }
  Json pattern = Json::array();
  for (const double deviations : value->Numbers(-kInfinity, 4.5)) {
    const double share = 0.5 * std::erfc(-deviations * M_SQRT1_2);
    const double decimal =
        std::round(share * 1e6) / 1e6;  // what it was computed from, such as 0.95
    pattern.push_back(std::abs(decimal - share) < 1e-7 ? decimal : share);
  }
  return pattern;
}

void RefuseWhatWeCannot(const Keys& keys) {
  if (const GgufValue* value = keys.Find("altup.active_idx")) value->Int(0, 0);
  const GgufValue* scaling = keys.Find("rope.scaling.type");
  if (scaling != nullptr && scaling->String() != "none") {
    scaling->Fail("\"none\", the only kind of rotary embedding here");
  }
}

// The number of heads: some converters write it for each layer, always the same.
int64_t Heads(const Keys& keys, const std::string& key) {
  const GgufValue* value = keys.Find(key);
  if (value == nullptr || !value->IsArray()) return keys.Int(key, 1, kMostWidth);
  const std::vector<int64_t> heads = value->Ints(1, kMostWidth);
  if (heads.empty() || std::set<int64_t>(heads.begin(), heads.end()).size() != 1) {
    value->Fail("one number for all layers");
  }
  return heads[0];
}

int64_t HeadDim(const Gguf& gguf, const Keys& keys) {
  const int64_t from_norm = DimOr(gguf, "blk.0.attn_q_norm.weight", 0, 256);
  const int64_t stated = keys.IntOr("head_dim", from_norm, 1, kMostWidth);  // Ollama's key
  const int64_t size = keys.IntOr("attention.key_length", stated, 1, kMostWidth);
  if (const GgufValue* value = keys.Find("attention.value_length")) value->Int(size, size);
  return size;
}

Json TextConfigJson(const Gguf& gguf, const GgufTokenizer& tokenizer) {
  const Keys keys(gguf, "gemma3n.");
  RefuseWhatWeCannot(keys);
  const int64_t layers = keys.Int("block_count", 1, kMostLayers);
  Json text;
  text["model_type"] = "gemma3n_text";
  text["vocab_size"] = NeededDim(gguf, "token_embd.weight", 0);
  NeededDim(gguf, kPerLayerTable, 0);
  text["vocab_size_per_layer_input"] = GgufPerLayerVocabulary(gguf);
  text["hidden_size"] = keys.Int("embedding_length", 1, kMostWidth);
  text["hidden_size_per_layer_input"] = keys.Int("embedding_length_per_layer_input", 1, kMostWidth);
  text["num_hidden_layers"] = layers;
  text["num_attention_heads"] = Heads(keys, "attention.head_count");
  text["num_key_value_heads"] = Heads(keys, "attention.head_count_kv");
  text["head_dim"] = HeadDim(gguf, keys);
  text["intermediate_size"] = PerLayerWidths(keys, layers);
  text["sliding_window"] = keys.IntOr("attention.sliding_window", 512, 1, kMostPositions);
  text["max_position_embeddings"] = keys.Int("context_length", 1, kMostPositions);
  text["num_kv_shared_layers"] = keys.IntOr(
      "attention.shared_kv_layers", std::max<int64_t>(0, layers - kKeyValueLayers), 0, layers - 1);
  text["altup_num_inputs"] = keys.IntOr("altup.num_inputs", 4, 1, 64);
  text["laurel_rank"] = NeededDim(gguf, "blk.0.laurel_l.weight", 0);
  if (const auto pattern = Sparsity(keys, layers)) text["activation_sparsity_pattern"] = *pattern;
  if (const auto types = LayerTypes(keys, layers)) text["layer_types"] = *types;
  text["rope_theta"] = keys.DecimalOr("rope.freq_base", 1e6, 1, 1e12);
  const double local = keys.DecimalOr("rope.freq_base_local", 1e4, 1, 1e12);  // Ollama's key
  text["rope_local_base_freq"] = keys.DecimalOr("rope.freq_base_swa", local, 1, 1e12);
  text["rms_norm_eps"] = keys.DecimalOr("attention.layer_norm_rms_epsilon", 1e-6, 0, 1);
  text["final_logit_softcapping"] = keys.DecimalOr("final_logit_softcapping", 30, 0, 1e6);
  text["altup_correct_scale"] = gguf.tensors().count("blk.0.altup_correct_scale.weight") > 0 ||
                                gguf.tensors().count("blk.0.altup_correct_scale") > 0;
  text["bos_token_id"] = tokenizer.IdOf("tokenizer.ggml.bos_token_id").value_or(2);
  text["pad_token_id"] = tokenizer.IdOf("tokenizer.ggml.padding_token_id").value_or(0);
  return text;
}

// The ids that end an answer: what the keys say, and Gemma's own two.
Json StopIds(const Gguf& gguf, const GgufTokenizer& tokenizer) {
  std::set<int32_t> ids;
  for (const char* key : {"tokenizer.ggml.eos_token_id", "tokenizer.ggml.eot_token_id"}) {
    if (const auto id = tokenizer.IdOf(key)) ids.insert(*id);
  }
  if (const GgufValue* several = gguf.Find("tokenizer.ggml.eos_token_ids")) {  // Ollama's key
    for (const int64_t id : several->Ints(0, tokenizer.size() - 1)) {
      ids.insert(static_cast<int32_t>(id));
    }
  }
  for (const char* piece : {"<eos>", "<end_of_turn>"}) {
    if (const auto id = tokenizer.Find(piece)) ids.insert(*id);
  }
  return Json(std::vector<int32_t>(ids.begin(), ids.end()));
}

// A modality's own table of embeddings: `name` is "mm." or "mm.a.", and its first row is the token
// that ends a picture or a clip.
Json ModalityJson(const Gguf& gguf, const std::string& name, int64_t default_width,
                  int64_t first_id) {
  return {{"hidden_size", DimOr(gguf, name + "input_projection.weight", 1, default_width)},
          {"vocab_size", DimOr(gguf, name + "embedding.weight", 0, 128)},
          {"vocab_offset", first_id},
          {"rms_norm_eps", 1e-6}};
}

Json AudioConfigJson(const Gguf& gguf, int64_t first_id) {
  const Keys keys(gguf, "clip.audio.");
  Json audio = ModalityJson(gguf, "mm.a.", 1536, first_id);
  audio["model_type"] = "gemma3n_audio";
  audio["hidden_size"] = DimOr(gguf, "a.pre_encode.out.weight", 0, 1536);
  audio["input_feat_size"] = keys.IntOr("num_mel_bins", 128, 1, kMostWidth);
  audio["conf_num_hidden_layers"] = keys.IntOr("block_count", 12, 1, kMostLayers);
  audio["conf_num_attention_heads"] = keys.IntOr("attention.head_count", 8, 1, kMostWidth);
  audio["conf_conv_kernel_size"] = DimOr(gguf, "a.blk.0.conv_dw.weight", 2, 5);
  audio["sscp_conv_channel_size"] = {DimOr(gguf, "a.conv1d.0.weight", 0, 128),
                                     DimOr(gguf, "a.conv1d.1.weight", 0, 32)};
  return audio;
}

// A picture's rows: pixels a side for each of them, as llama.cpp's converter counts.
int64_t ImageTokens(const Gguf& gguf) {
  const Keys keys(gguf, "clip.vision.");
  const int64_t side = keys.IntOr("image_size", 768, 1, 1 << 16);
  return std::max<int64_t>(1, side / keys.IntOr("patch_size", 3, 1, side));
}

std::string Architecture(const Gguf& gguf) {
  const GgufValue* value = gguf.Find("general.architecture");
  return value == nullptr ? "" : std::string(value->String());
}

[[noreturn]] void FailAs(const Gguf& gguf, const std::string& what) {
  throw Error(ErrorKind::kModel, gguf.file().path().string() + ": " + what);
}

}  // namespace

int64_t GgufPerLayerVocabulary(const Gguf& gguf) {
  constexpr int64_t kMostAppended = 4096;
  const TensorView& table = gguf.tensors().at(kPerLayerTable);
  const int64_t rows = table.shape[0];
  if (const GgufValue* stated = gguf.Find(gguf::kPerLayerVocabularyKey)) {
    return stated->Int(1, rows);
  }
  const uint64_t bytes = table.Rows(0, 1).bytes();
  const auto is_appended = [&](int64_t row) {
    const std::byte* begin = table.Rows(row, row + 1).data;
    return std::memcmp(begin, table.data, bytes) == 0 ||
           std::all_of(begin, begin + bytes, [](std::byte byte) { return byte == std::byte{0}; });
  };
  int64_t used = rows;
  while (used > 1 && rows - used < kMostAppended && is_appended(used - 1)) --used;
  return used;
}

void CheckIsGgufModel(const Gguf& gguf) {
  const std::string architecture = Architecture(gguf);
  if (architecture == "clip") {
    FailAs(gguf, "expected a model, found the projector (mmproj) of one; give it with --mmproj");
  }
  if (architecture != "gemma3n") {
    FailAs(gguf, "general.architecture: expected gemma3n, found " +
                     (architecture.empty() ? "nothing" : Quoted(architecture)));
  }
  if (const GgufValue* parts = gguf.Find("split.count")) {
    const int64_t count = parts->Int(0, 65535);
    if (count > 1) {
      FailAs(gguf, "is a part of a model that is split into " + std::to_string(count) +
                       " files; join them with llama-gguf-split --merge");
    }
  }
}

void CheckIsGgufProjector(const Gguf& gguf) {
  const std::string architecture = Architecture(gguf);
  if (architecture != "clip") {
    FailAs(gguf, "expected a projector (mmproj), general.architecture clip, found " +
                     (architecture.empty() ? "nothing" : Quoted(architecture)));
  }
  const auto needs = [&](const char* key, const char* type) {
    const GgufValue* value = gguf.Find(key);
    if (value == nullptr || value->String() == type) return value != nullptr;
    value->Fail(Quoted(type) + ", Gemma 3n's");
  };
  const bool any = needs("clip.projector_type", "gemma3nv");
  const bool vision = needs("clip.vision.projector_type", "gemma3nv");
  if (!needs("clip.audio.projector_type", "gemma3na") && !vision && !any) {
    FailAs(gguf, "clip.vision.projector_type: expected gemma3nv, found nothing");
  }
}

std::string GgufConfigJson(const GgufFiles& files, const GgufTokenizer& tokenizer) {
  const Gguf& media = files.projector != nullptr ? *files.projector : *files.model;
  Json config;
  config["architectures"] = {"Gemma3nForConditionalGeneration"};
  config["model_type"] = "gemma3n";
  const auto id_of = [&](const char* field, const char* piece) {
    const std::optional<int32_t> id = tokenizer.Find(piece);
    if (id) config[field] = *id;
    return id;
  };
  id_of("boi_token_id", "<start_of_image>");
  const auto image_end = id_of("eoi_token_id", "<end_of_image>");
  id_of("image_token_id", "<image_soft_token>");
  id_of("boa_token_id", "<start_of_audio>");
  const auto audio_end = id_of("eoa_token_id", "<end_of_audio>");
  id_of("audio_token_id", "<audio_soft_token>");
  config["eos_token_id"] = StopIds(*files.model, tokenizer);
  config["tie_word_embeddings"] = files.model->tensors().count("output.weight") == 0;
  config["vision_soft_tokens_per_image"] = ImageTokens(media);
  config["audio_soft_tokens_per_image"] =
      Keys(media, "").IntOr(gguf::kAudioTokensKey, 188, 1, 1 << 16);
  config["text_config"] = TextConfigJson(*files.model, tokenizer);
  config["vision_config"] = ModalityJson(media, "mm.", 2048, image_end.value_or(262144));
  config["vision_config"]["model_type"] = "gemma3n_vision";
  config["vision_config"]["architecture"] = "mobilenetv5_300m_enc";
  if (const Json args = GgufVisionArgs(media); !args.is_null()) {
    config["vision_config"]["model_args"] = args;
  }
  config["audio_config"] = AudioConfigJson(media, audio_end.value_or(262272));
  return config.dump(1) + "\n";
}

std::string GgufGenerationConfigJson(const GgufFiles& files, const GgufTokenizer& tokenizer) {
  const Keys keys(*files.model, "general.sampling.");
  Json config;
  config["do_sample"] = true;
  config["temperature"] = keys.DecimalOr("temp", 1.0, 0, 100);
  config["top_k"] = keys.IntOr("top_k", 64, 0, 1 << 24);
  config["top_p"] = keys.DecimalOr("top_p", 0.95, 0, 1);
  config["eos_token_id"] = StopIds(*files.model, tokenizer);
  return config.dump(1) + "\n";
}

// How pictures are brought to the encoder's size and range: bilinear, from 0 to 1, as the released
// models want them.
std::string GgufPreprocessorConfigJson(const GgufFiles& files) {
  const Keys keys(files.projector != nullptr ? *files.projector : *files.model, "clip.vision.");
  const int64_t side = keys.IntOr("image_size", 768, 32, 4096);
  if (side % 32 != 0) keys.Find("image_size")->Fail("a multiple of 32");
  const auto colours = [&](const char* key, double usual) {
    const GgufValue* value = keys.Find(key);
    if (value == nullptr) return std::vector<double>(3, usual);
    if (!value->IsArray() || value->size() != 3) value->Fail("a number for each of 3 colours");
    return value->Numbers(-1e6, 1e6);
  };
  const std::vector<double> mean = colours("image_mean", 0), deviation = colours("image_std", 1);
  Json config;
  config["do_resize"] = true;
  config["size"] = {{"height", side}, {"width", side}};
  config["resample"] = 2;
  config["do_rescale"] = true;
  config["rescale_factor"] = 1.0 / 255.0;
  config["do_normalize"] =
      mean != std::vector<double>(3, 0.0) || deviation != std::vector<double>(3, 1.0);
  config["image_mean"] = mean;
  config["image_std"] = deviation;
  return config.dump(1) + "\n";
}

std::string GgufTokenizerConfigJson(const GgufTokenizer& tokenizer) {
  Json config;
  config["tokenizer_class"] = "GemmaTokenizer";
  config["add_bos_token"] = true;
  const std::optional<int32_t> bos = tokenizer.IdOf("tokenizer.ggml.bos_token_id");
  config["bos_token"] = bos ? tokenizer.Piece(*bos) : "<bos>";
  return config.dump(1) + "\n";
}

}  // namespace gemma3n
