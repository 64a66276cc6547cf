// SPDX-License-Identifier: Apache-2.0
#include "convert/gguf_metadata.h"

#include <algorithm>
#include <cmath>

#include "audio/audio_config.h"
#include "convert/gguf_vocabulary.h"
#include "gemma3n/error.h"
#include "model/feed_forward.h"

namespace gemma3n {
namespace {

constexpr uint64_t kMostTokenizerBytes = 256 << 20;
constexpr uint64_t kQuantizationVersion = 2;  // of the layouts of blocks

void AddGeneral(const Checkpoint& checkpoint, const char* architecture, const char* kind,
                GgufFileType type, GgufMetadata& metadata) {
  metadata.AddText("general.architecture", architecture);
  metadata.AddText("general.type", kind);
  const auto path = std::filesystem::absolute(checkpoint.directory()).lexically_normal();
  const auto name = path.has_filename() ? path.filename() : path.parent_path().filename();
  metadata.AddText("general.name", name.string());
  metadata.AddUint("general.file_type", static_cast<uint64_t>(type));
  metadata.AddUint("general.quantization_version", kQuantizationVersion);
}

// How the model's makers want it sampled, where they say so.
void AddSampling(const Checkpoint& checkpoint, const ModelConfig& config, GgufMetadata& metadata) {
  const GenerationConfig generation = GenerationConfig::Load(checkpoint, config);
  if (!generation.do_sample) return;
  metadata.AddInt("general.sampling.top_k", static_cast<int32_t>(generation.top_k));
  metadata.AddFloat("general.sampling.top_p", generation.top_p);
  metadata.AddFloat("general.sampling.temp", generation.temperature);
}

void AddText(const TextConfig& text, GgufMetadata& metadata) {
  const std::string p = "gemma3n.";
  metadata.AddUint(p + "context_length", text.max_position_embeddings);
  metadata.AddUint(p + "embedding_length", text.hidden_size);
  metadata.AddUint(p + "block_count", text.num_hidden_layers);
  const std::vector<int64_t>& widths = text.intermediate_size;
  const bool one_width =
      std::all_of(widths.begin(), widths.end(), [&](int64_t w) { return w == widths[0]; });
  if (one_width) {
    metadata.AddUint(p + "feed_forward_length", widths[0]);
  } else {
    metadata.AddUints(p + "feed_forward_length", widths);
  }
  metadata.AddUint(p + "attention.head_count", text.num_attention_heads);
  metadata.AddUint(p + "attention.head_count_kv", text.num_key_value_heads);
  metadata.AddUint(p + "attention.key_length", text.head_dim);
  metadata.AddUint(p + "attention.value_length", text.head_dim);
  metadata.AddFloat(p + "attention.layer_norm_rms_epsilon", text.rms_norm_eps);
  metadata.AddUint(p + "attention.sliding_window", text.sliding_window);
  metadata.AddBools(p + "attention.sliding_window_pattern", text.sliding);
  metadata.AddUint(p + "attention.shared_kv_layers", text.num_kv_shared_layers);
  metadata.AddFloat(p + "rope.freq_base", text.rope_theta);
  metadata.AddFloat(p + "rope.freq_base_swa", text.rope_local_base_freq);
  metadata.AddUint(p + "altup.active_idx", 0);
  metadata.AddUint(p + "altup.num_inputs", text.altup_num_inputs);
  metadata.AddUint(p + "embedding_length_per_layer_input", text.hidden_size_per_layer_input);
  std::vector<float> cutoffs;  // standard deviations above the mean; none for dense layers
  for (const double share : text.activation_sparsity_pattern) {
    cutoffs.push_back(share > 0 ? CutoffDeviations(static_cast<float>(share)) : -INFINITY);
  }
  metadata.AddFloats(p + "activation_sparsity_scale", cutoffs);
  metadata.AddFloat(p + "final_logit_softcapping", text.final_logit_softcapping);
}

void AddVocabulary(const Checkpoint& checkpoint, const ModelConfig& config, GgufMetadata& metadata,
                   std::vector<std::string>& notes) {
  const std::string where = (checkpoint.directory() / "tokenizer.json").string();
  const auto text = checkpoint.Text("tokenizer.json", kMostTokenizerBytes);
  if (!text) throw Error(ErrorKind::kModel, where + ": expected a file, found nothing");
  const JsonValue tokenizer = JsonValue::Parse(*text, where);
  const GgufVocabulary vocabulary = GgufVocabulary::Parse(tokenizer, config.text.vocab_size);
  const std::string p = "tokenizer.ggml.";
  metadata.AddText(p + "model", "llama");
  metadata.AddTexts(p + "tokens", vocabulary.pieces);
  metadata.AddFloats(p + "scores", vocabulary.scores);
  metadata.AddInts(p + "token_type", vocabulary.kinds);
  metadata.AddUint(p + "bos_token_id", config.bos_token_id);
  metadata.AddUint(p + "eos_token_id", config.eos_token_ids.at(0));
  metadata.AddUint(p + "padding_token_id", config.pad_token_id);
  if (vocabulary.unknown) metadata.AddUint(p + "unknown_token_id", *vocabulary.unknown);
  if (vocabulary.mask) metadata.AddUint(p + "mask_token_id", *vocabulary.mask);
  if (vocabulary.end_of_turn) metadata.AddUint(p + "eot_token_id", *vocabulary.end_of_turn);
  metadata.AddBool(p + "add_bos_token", true);
  metadata.AddBool(p + "add_eos_token", false);
  metadata.AddBool(p + "add_space_prefix", false);
  if (vocabulary.unlisted_joints > 0) {
    notes.push_back(
        where + ": " + std::to_string(vocabulary.unlisted_joints) +
        " ways to join two pieces are no merges here, but are for tokenizers that go by "
        "scores, as GGUF's: some texts may get other tokens");
  }
}

std::string TemplateOf(const Checkpoint& checkpoint) {
  const std::string text = checkpoint.Text("chat_template.jinja").value_or("");
  if (!text.empty()) return text;
  const JsonValue stated = checkpoint.Json("tokenizer_config.json")["chat_template"];
  if (stated.IsString()) return stated.String();
  return checkpoint.Json("chat_template.json")["chat_template"].StringOr("");
}

void AddVision(const Checkpoint& checkpoint, const ModelConfig& config, GgufMetadata& metadata) {
  const JsonValue preprocessor = checkpoint.Json("preprocessor_config.json");
  constexpr int64_t kMostPixels = 1 << 16;
  const int64_t side = preprocessor["size"]["height"].IntOr(768, 1, kMostPixels);
  const int64_t width = config.vision->hidden_size;
  const std::string p = "clip.vision.";
  metadata.AddText(p + "projector_type", "gemma3nv");
  metadata.AddUint(p + "image_size", side);
  // Not the size of anything: with it llama.cpp finds image_size / patch_size soft tokens.
  metadata.AddUint(p + "patch_size",
                   std::max<int64_t>(1, side / config.vision_soft_tokens_per_image));
  metadata.AddUint(p + "embedding_length", width);
  metadata.AddUint(p + "projection_dim", config.text.hidden_size);
  // Three that readers ask for and that say nothing of this encoder, as llama.cpp's converter has
  // them.
  metadata.AddUint(p + "feed_forward_length", 4 * width);
  metadata.AddUint(p + "block_count", 128);
  metadata.AddUint(p + "attention.head_count", 8);
  metadata.AddFloat(p + "attention.layer_norm_epsilon", config.vision->rms_norm_eps);
  metadata.AddFloats(p + "image_mean", {0, 0, 0});
  metadata.AddFloats(p + "image_std", {1, 1, 1});
}

void AddAudio(const Checkpoint& checkpoint, const ModelConfig& config, GgufMetadata& metadata) {
  const AudioConfig audio = AudioConfig::Parse(checkpoint.config()["audio_config"]);
  const std::string p = "clip.audio.";
  metadata.AddText(p + "projector_type", "gemma3na");
  metadata.AddUint(p + "embedding_length", audio.hidden_size);
  metadata.AddUint(p + "projection_dim", config.text.hidden_size);
  metadata.AddUint(p + "feed_forward_length", 4 * audio.hidden_size);
  metadata.AddUint(p + "block_count", audio.num_hidden_layers);
  metadata.AddUint(p + "attention.head_count", audio.num_attention_heads);
  metadata.AddFloat(p + "attention.layer_norm_epsilon", config.audio->rms_norm_eps);
  metadata.AddUint(p + "num_mel_bins",
                   checkpoint.config()["audio_config"]["input_feat_size"].IntOr(128, 1, 65536));
}

}  // namespace

GgufMetadata ModelMetadata(const Checkpoint& checkpoint, const ModelConfig& config,
                           GgufFileType type, std::vector<std::string>& notes) {
  GgufMetadata metadata;
  AddGeneral(checkpoint, "gemma3n", "model", type, metadata);
  AddSampling(checkpoint, config, metadata);
  AddText(config.text, metadata);
  AddVocabulary(checkpoint, config, metadata, notes);
  if (const std::string text = TemplateOf(checkpoint); !text.empty()) {
    metadata.AddText("tokenizer.chat_template", text);
  }
  return metadata;
}

GgufMetadata ProjectorMetadata(const Checkpoint& checkpoint, const ModelConfig& config,
                               const ModelParts& parts) {
  GgufMetadata metadata;
  AddGeneral(checkpoint, "clip", "mmproj", GgufFileType::kF16, metadata);
  metadata.AddBool("clip.has_vision_encoder", parts.vision);
  metadata.AddBool("clip.has_audio_encoder", parts.audio);
  if (parts.vision) AddVision(checkpoint, config, metadata);
  if (parts.audio) AddAudio(checkpoint, config, metadata);
  return metadata;
}

std::vector<std::string> DeparturesFromLlamaCpp(const TextConfig& text) {
  std::vector<std::string> departures;
  const auto expect = [&](int64_t found, int64_t expected, const std::string& what) {
    if (found == expected) return;
    departures.push_back(what + " " + std::to_string(found) + " instead of " +
                         std::to_string(expected));
  };
  expect(text.num_hidden_layers - text.num_kv_shared_layers, 20, "layers with keys of their own");
  expect(text.hidden_size_per_layer_input, 256, "per-layer inputs of width");
  expect(text.laurel_rank, 64, "a LAuReL rank of");
  expect(text.altup_num_inputs, 4, "streams");
  bool pattern = true, sparsity = true;
  for (int64_t layer = 0; layer < text.num_hidden_layers; ++layer) {
    pattern &= text.sliding[layer] == ((layer + 1) % 5 != 0);
    sparsity &= text.activation_sparsity_pattern[layer] == (layer < 10 ? 0.95 : 0.0);
  }
  if (!pattern) departures.push_back("full attention in other layers than every fifth");
  if (!sparsity) departures.push_back("other sparse layers than the first 10 at 0.95");
  if (!text.altup_correct_scale) departures.push_back("no altup.correct_output_scale");
  const std::vector<int64_t>& widths = text.intermediate_size;
  if (std::any_of(widths.begin(), widths.end(), [&](int64_t w) { return w != widths[0]; })) {
    departures.push_back("feed-forward widths that differ between layers");
  }
  return departures;
}

}  // namespace gemma3n
