// SPDX-License-Identifier: Apache-2.0
#include "convert/presets.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <vector>

#include "model/config.h"

namespace gemma3n {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kChatTemplate[] = R"JINJA({{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}
    {%- else -%}
        {%- set first_user_prefix = messages[0]['content'][0]['text'] + '\n\n' -%}
    {%- endif -%}
    {%- set loop_messages = messages[1:] -%}
{%- else -%}
    {%- set first_user_prefix = "" -%}
    {%- set loop_messages = messages -%}
{%- endif -%}
{%- for message in loop_messages -%}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
        {{ raise_exception("Conversation roles must alternate user/assistant/user/assistant/...") }}
    {%- endif -%}
    {%- if message['role'] == 'assistant' -%}
        {%- set role = "model" -%}
    {%- else -%}
        {%- set role = message['role'] -%}
    {%- endif -%}
    {{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'audio' -%}
                {{ '<audio_soft_token>' }}
            {%- elif item['type'] == 'image' -%}
                {{ '<image_soft_token>' }}
            {%- elif item['type'] == 'text' -%}
                {{ item['text'] | trim }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("Invalid content type") }}
    {%- endif -%}
    {{ '<end_of_turn>\n' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{ '<start_of_turn>model\n' }}
{%- endif -%}
)JINJA";

// Sizes by the reference's class and by Google's files: E2B keeps 30 of E4B's 35 layers, at half
// width.
Json Released(int layers, int width, int shared) {
  Json text = {{"model_type", "gemma3n_text"},
               {"num_hidden_layers", layers},
               {"hidden_size", 2048},
               {"intermediate_size", width},
               {"num_attention_heads", 8},
               {"num_key_value_heads", 2},
               {"head_dim", 256},
               {"hidden_activation", "gelu_pytorch_tanh"},
               {"rms_norm_eps", 1e-6},
               {"vocab_size", 262400},
               {"vocab_size_per_layer_input", 262144},
               {"hidden_size_per_layer_input", 256},
               {"sliding_window", 512},
               {"rope_theta", 1000000.0},
               {"rope_local_base_freq", 10000.0},
               {"max_position_embeddings", 32768},
               {"num_kv_shared_layers", shared},
               {"altup_num_inputs", 4},
               {"altup_active_idx", 0},
               {"altup_coef_clip", 120.0},
               {"altup_correct_scale", true},
               {"laurel_rank", 64},
               {"final_logit_softcapping", 30.0},
               {"pad_token_id", 0},
               {"eos_token_id", 1},
               {"bos_token_id", 2}};
  for (int layer = 0; layer < layers; ++layer) {
    text["layer_types"].push_back((layer + 1) % 5 == 0 ? "full_attention" : "sliding_attention");
    text["activation_sparsity_pattern"].push_back(layer < 10 ? 0.95 : 0.0);
  }
  return {{"architectures", {"Gemma3nForConditionalGeneration"}},
          {"model_type", "gemma3n"},
          {"eos_token_id", {1, 106}},
          {"boi_token_id", 255999},
          {"eoi_token_id", 262144},
          {"image_token_id", 262145},
          {"boa_token_id", 256000},
          {"eoa_token_id", 262272},
          {"audio_token_id", 262273},
          {"vision_soft_tokens_per_image", 256},
          {"audio_soft_tokens_per_image", 188},
          {"text_config", text},
          {"vision_config",
           {{"model_type", "gemma3n_vision"},
            {"architecture", "mobilenetv5_300m_enc"},
            {"do_pooling", false},
            {"hidden_size", 2048},
            {"vocab_size", 128},
            {"vocab_offset", 262144},
            {"rms_norm_eps", 1e-6}}},
          {"audio_config",
           {{"model_type", "gemma3n_audio"},
            {"hidden_size", 1536},
            {"vocab_size", 128},
            {"vocab_offset", 262272},
            {"rms_norm_eps", 1e-6},
            {"input_feat_size", 128},
            {"conf_num_hidden_layers", 12},
            {"conf_num_attention_heads", 8},
            {"sscp_conv_channel_size", {128, 32}}}}};
}

Json VisionBlock(const char* type, int out, int stride, double expansion, int start, int mid) {
  Json block = {{"block_type", type},
                {"out_chs", out},
                {"stride", stride},
                {"act_layer", nullptr},
                {"noskip", false}};
  if (std::string(type) == "er") {
    block.update({{"exp_kernel_size", 3},
                  {"pw_kernel_size", 1},
                  {"exp_ratio", expansion},
                  {"force_in_chs", 0},
                  {"se_ratio", 0.0}});
  } else {
    block.update({{"dw_kernel_size_start", start},
                  {"dw_kernel_size_mid", mid},
                  {"dw_kernel_size_end", 0},
                  {"exp_ratio", expansion},
                  {"se_ratio", 0.0}});
  }
  return block;
}

Json VisionAttention(int out, int heads, int dim, int kv_stride) {
  return {{"block_type", "mqa"},   {"out_chs", out},  {"stride", 1},
          {"act_layer", nullptr},  {"noskip", false}, {"dw_kernel_size", 3},
          {"num_heads", heads},    {"key_dim", dim},  {"value_dim", dim},
          {"kv_stride", kv_stride}};
}

// Every mechanism at the smallest size: sharing, sliding layers of two kinds, sparsity, AltUp,
// LAuReL, per-layer embeddings, all kinds of vision blocks, two conformer blocks.
Json Tiny() {
  Json config = Released(10, 128, 5);
  Json& text = config["text_config"];
  text.update({{"hidden_size", 64},
               {"num_attention_heads", 4},
               {"num_key_value_heads", 2},
               {"head_dim", 16},
               {"vocab_size", 544},
               {"vocab_size_per_layer_input", 512},
               {"hidden_size_per_layer_input", 8},
               {"sliding_window", 16},
               {"max_position_embeddings", 1024},
               {"laurel_rank", 8}});
  for (int layer = 0; layer < 10; ++layer) {
    text["activation_sparsity_pattern"][static_cast<size_t>(layer)] = layer < 3 ? 0.95 : 0.0;
  }
  config.update({{"eos_token_id", {1, 5}},
                 {"boi_token_id", 8},
                 {"boa_token_id", 9},
                 {"eoi_token_id", 512},
                 {"image_token_id", 513},
                 {"eoa_token_id", 528},
                 {"audio_token_id", 529},
                 {"vision_soft_tokens_per_image", 16},
                 {"audio_soft_tokens_per_image", 25}});
  config["vision_config"].update({{"vocab_size", 16}, {"vocab_offset", 512}});
  config["vision_config"]["model_args"] = {
      {"stem_size", 8},
      {"msfa_output_resolution", 4},
      {"block_args",
       {{VisionBlock("er", 16, 2, 4, 0, 0), VisionBlock("er", 16, 1, 4, 0, 0)},
        {VisionBlock("uir", 24, 2, 4, 3, 5), VisionBlock("uir", 24, 1, 3, 5, 0)},
        {VisionBlock("uir", 32, 2, 4, 5, 5), VisionAttention(32, 2, 16, 2),
         VisionBlock("uir", 32, 1, 2, 0, 0)},
        {VisionBlock("uir", 40, 2, 4, 5, 5), VisionAttention(40, 2, 24, 1),
         VisionBlock("uir", 40, 1, 2, 0, 0)}}}};
  config["audio_config"].update({{"hidden_size", 32},
                                 {"vocab_size", 16},
                                 {"vocab_offset", 528},
                                 {"conf_num_hidden_layers", 2},
                                 {"conf_num_attention_heads", 4},
                                 {"sscp_conv_channel_size", {8, 4}}});
  return config;
}

std::string Text(const Json& json) {
  return json.dump(2) + "\n";
}

// Names of all ids; roles first, then what fits in between.
std::vector<std::string> Pieces(const ModelConfig& config) {
  std::vector<std::string> pieces(static_cast<size_t>(config.text.vocab_size));
  const auto place = [&](int32_t id, const char* name) {
    if (id >= 0 && static_cast<size_t>(id) < pieces.size()) pieces[static_cast<size_t>(id)] = name;
  };
  place(config.pad_token_id, "<pad>");
  place(config.eos_token_ids[0], "<eos>");
  place(config.bos_token_id, "<bos>");
  if (config.eos_token_ids.size() > 1) place(config.eos_token_ids[1], "<end_of_turn>");
  if (config.vision) {
    place(config.boi_token_id, "<start_of_image>");
    place(config.eoi_token_id, "<end_of_image>");
    place(config.image_token_id, "<image_soft_token>");
  }
  if (config.audio) {
    place(config.boa_token_id, "<start_of_audio>");
    place(config.eoa_token_id, "<end_of_audio>");
    place(config.audio_token_id, "<audio_soft_token>");
  }
  std::vector<std::string> rest = {"<unk>", "<start_of_turn>", "\n", "\n\n"};
  if (config.eos_token_ids.size() < 2) rest.push_back("<end_of_turn>");
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof(name), "<0x%02X>", byte);
    rest.push_back(name);
  }
  rest.push_back("\u2581");
  for (char c = '!'; c <= '~'; ++c) rest.push_back(std::string(1, c));
  rest.push_back("<mask>");  // which the reference would add behind the table when it saves
  size_t next = 0, filler = 0;
  for (std::string& piece : pieces) {
    if (!piece.empty()) continue;
    piece = next < rest.size() ? rest[next++] : "<unused" + std::to_string(filler++) + ">";
  }
  return pieces;
}

}  // namespace

std::string PresetConfig(const std::string& name) {
  if (name == "e2b") return Text(Released(30, 8192, 10));
  if (name == "e4b") return Text(Released(35, 16384, 15));
  if (name == "tiny") return Text(Tiny());
  return "";
}

std::string PresetGenerationConfig(const JsonValue& config) {
  const ModelConfig model = ModelConfig::Parse(config);
  return Text({{"bos_token_id", model.bos_token_id},
               {"do_sample", true},
               {"eos_token_id", model.eos_token_ids},
               {"pad_token_id", model.pad_token_id},
               {"top_k", 64},
               {"top_p", 0.95}});
}

std::string PresetPreprocessorConfig(const JsonValue& config) {
  const ModelConfig model = ModelConfig::Parse(config);
  // The encoder's grid is 1/16 of the side, and Google's models see 48 of it pooled to 16.
  const int side = model.vision_soft_tokens_per_image == 256 ? 768 : 64;
  return Text({{"image_processor_type", "SiglipImageProcessor"},
               {"processor_class", "Gemma3nProcessor"},
               {"feature_extractor_type", "Gemma3nAudioFeatureExtractor"},
               {"do_convert_rgb", nullptr},
               {"do_normalize", false},
               {"do_rescale", true},
               {"do_resize", true},
               {"image_mean", {0.5, 0.5, 0.5}},
               {"image_std", {0.5, 0.5, 0.5}},
               {"image_seq_length", model.vision_soft_tokens_per_image},
               {"resample", 2},
               {"rescale_factor", 1.0 / 255.0},
               {"size", {{"height", side}, {"width", side}}},
               {"feature_size", config["audio_config"]["input_feat_size"].IntOr(128)},
               {"sampling_rate", 16000},
               {"padding_value", 0.0},
               {"padding_side", "right"},
               {"return_attention_mask", true},
               {"frame_length_ms", 32.0},
               {"hop_length_ms", 10.0},
               {"min_frequency", 125.0},
               {"max_frequency", 7600.0},
               {"preemphasis", 0.97},
               {"preemphasis_htk_flavor", true},
               {"fft_overdrive", true},
               {"dither", 0.0},
               {"input_scale_factor", 1.0},
               {"mel_floor", 1e-5},
               {"per_bin_mean", nullptr},
               {"per_bin_stddev", nullptr}});
}

std::string PresetProcessorConfig(const JsonValue& config) {
  const ModelConfig model = ModelConfig::Parse(config);
  return Text({{"processor_class", "Gemma3nProcessor"},
               {"audio_seq_length", model.audio_soft_tokens_per_image},
               {"image_seq_length", model.vision_soft_tokens_per_image}});
}

std::string PresetTokenizerConfig() {
  const Json roles = {{"image_token", "<image_soft_token>"}, {"audio_token", "<audio_soft_token>"},
                      {"boi_token", "<start_of_image>"},     {"eoi_token", "<end_of_image>"},
                      {"boa_token", "<start_of_audio>"},     {"eoa_token", "<end_of_audio>"}};
  Json config = {{"tokenizer_class", "GemmaTokenizer"},
                 {"processor_class", "Gemma3nProcessor"},
                 {"add_bos_token", true},
                 {"add_eos_token", false},
                 {"bos_token", "<bos>"},
                 {"eos_token", "<eos>"},
                 {"pad_token", "<pad>"},
                 {"unk_token", "<unk>"},
                 {"mask_token", "<mask>"},
                 {"clean_up_tokenization_spaces", false},
                 {"extra_special_tokens", roles}};
  config.update(roles);
  return Text(config);
}

std::string PresetChatTemplate() {
  return kChatTemplate;
}

std::string PresetTokenizer(const JsonValue& config) {
  const ModelConfig model = ModelConfig::Parse(config);
  const std::vector<std::string> pieces = Pieces(model);
  Json vocab, added = Json::array();
  for (size_t id = 0; id < pieces.size(); ++id) {
    vocab[pieces[id]] = id;
    const bool control =
        pieces[id].size() > 1 && pieces[id][0] == '<' && pieces[id].compare(0, 3, "<0x") != 0;
    if (!control) continue;
    added.push_back({{"id", id},
                     {"content", pieces[id]},
                     {"single_word", false},
                     {"lstrip", false},
                     {"rstrip", false},
                     {"normalized", false},
                     {"special", true}});
  }
  const Json bos = {{"SpecialToken", {{"id", "<bos>"}, {"type_id", 0}}}};
  const Json sequence = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  return Text(
      {{"version", "1.0"},
       {"truncation", nullptr},
       {"padding", nullptr},
       {"added_tokens", added},
       {"normalizer", {{"type", "Replace"}, {"pattern", {{"String", " "}}}, {"content", "\u2581"}}},
       {"pre_tokenizer",
        {{"type", "Split"},
         {"pattern", {{"String", " "}}},
         {"behavior", "MergedWithPrevious"},
         {"invert", false}}},
       {"post_processor",
        {{"type", "TemplateProcessing"},
         {"single", {bos, sequence}},
         {"pair", {bos, sequence}},
         {"special_tokens",
          {{"<bos>", {{"id", "<bos>"}, {"ids", {model.bos_token_id}}, {"tokens", {"<bos>"}}}}}}}},
       {"decoder",
        {{"type", "Sequence"},
         {"decoders",
          {{{"type", "Replace"}, {"pattern", {{"String", "\u2581"}}}, {"content", " "}},
           {{"type", "ByteFallback"}},
           {{"type", "Fuse"}}}}}},
       {"model",
        {{"type", "BPE"},
         {"dropout", nullptr},
         {"unk_token", "<unk>"},
         {"continuing_subword_prefix", nullptr},
         {"end_of_word_suffix", nullptr},
         {"fuse_unk", true},
         {"byte_fallback", true},
         {"ignore_merges", false},
         {"vocab", vocab},
         {"merges", Json::array({Json::array({"\n", "\n"})})}}}});
}

}  // namespace gemma3n
