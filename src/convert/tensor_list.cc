// SPDX-License-Identifier: Apache-2.0
#include "convert/tensor_list.h"

#include "audio/audio_config.h"
#include "model/config.h"
#include "model/weights.h"

namespace gemma3n {
namespace {

using Need = TensorEntry::Need;

class List {
 public:
  void Add(std::string name, Shape shape, Need need = Need::kRequired) {
    entries_.push_back({std::move(name), std::move(shape), need});
  }
  std::vector<TensorEntry> Take() { return std::move(entries_); }

 private:
  std::vector<TensorEntry> entries_;
};

void AddTextLayer(const TextConfig& config, int64_t layer, const std::string& prefix, List& list) {
  const std::string p = prefix + "layers." + std::to_string(layer) + ".";
  const int64_t hidden = config.hidden_size, streams = config.altup_num_inputs;
  const int64_t queries = config.num_attention_heads * config.head_dim;
  const int64_t keys = config.num_key_value_heads * config.head_dim;
  const int64_t width = config.intermediate_size[static_cast<size_t>(layer)];
  const int64_t per_layer = config.hidden_size_per_layer_input;
  const Need own = config.shares_kv(layer) ? Need::kDead : Need::kRequired;
  for (const char* norm :
       {"input_layernorm", "post_attention_layernorm", "pre_feedforward_layernorm",
        "post_feedforward_layernorm", "post_per_layer_input_norm", "laurel.post_laurel_norm",
        "altup.router_norm"}) {
    list.Add(p + norm + ".weight", {hidden});
  }
  list.Add(p + "self_attn.q_proj.weight", {queries, hidden});
  list.Add(p + "self_attn.k_proj.weight", {keys, hidden}, own);
  list.Add(p + "self_attn.v_proj.weight", {keys, hidden}, own);
  list.Add(p + "self_attn.o_proj.weight", {hidden, queries});
  list.Add(p + "self_attn.q_norm.weight", {config.head_dim});
  list.Add(p + "self_attn.k_norm.weight", {config.head_dim}, own);
  list.Add(p + "mlp.gate_proj.weight", {width, hidden});
  list.Add(p + "mlp.up_proj.weight", {width, hidden});
  list.Add(p + "mlp.down_proj.weight", {hidden, width});
  list.Add(p + "altup.modality_router.weight", {streams, hidden});
  list.Add(p + "altup.prediction_coefs.weight", {streams * streams, streams});
  list.Add(p + "altup.correction_coefs.weight", {streams, streams});
  if (config.altup_correct_scale) list.Add(p + "altup.correct_output_scale", {hidden});
  list.Add(p + "laurel.linear_left.weight", {config.laurel_rank, hidden});
  list.Add(p + "laurel.linear_right.weight", {hidden, config.laurel_rank});
  list.Add(p + "per_layer_input_gate.weight", {per_layer, hidden});
  list.Add(p + "per_layer_projection.weight", {hidden, per_layer});
}

void AddText(const TextConfig& config, const std::string& prefix, List& list) {
  const int64_t hidden = config.hidden_size;
  const int64_t per_layer = config.hidden_size_per_layer_input * config.num_hidden_layers;
  list.Add(prefix + "embed_tokens.weight", {config.vocab_size, hidden});
  list.Add(prefix + "embed_tokens_per_layer.weight",
           {config.vocab_size_per_layer_input, per_layer});
  list.Add(prefix + "per_layer_model_projection.weight", {per_layer, hidden});
  list.Add(prefix + "per_layer_projection_norm.weight", {config.hidden_size_per_layer_input});
  list.Add(prefix + "norm.weight", {hidden});
  for (int64_t i = 0; i + 1 < config.altup_num_inputs; ++i) {
    list.Add(prefix + "altup_projections." + std::to_string(i) + ".weight", {hidden, hidden});
    list.Add(prefix + "altup_unembed_projections." + std::to_string(i) + ".weight",
             {hidden, hidden});
  }
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    AddTextLayer(config, layer, prefix, list);
  }
}

void AddEmbedder(const ModalityConfig& config, int64_t hidden, const std::string& prefix,
                 List& list) {
  list.Add(prefix + "embedding.weight", {config.vocab_size, config.hidden_size});
  list.Add(prefix + "hard_embedding_norm.weight", {config.hidden_size});
  list.Add(prefix + "soft_embedding_norm.weight", {config.hidden_size});
  list.Add(prefix + "embedding_projection.weight", {hidden, config.hidden_size});
}

void AddAudio(const AudioConfig& config, List& list) {
  const std::string prefix = "model.audio_tower.";
  const int64_t hidden = config.hidden_size;
  int64_t channels = 1;
  for (size_t i = 0; i < config.convolutions.size(); ++i) {
    const AudioConfig::Convolution& conv = config.convolutions[i];
    const std::string p = prefix + "subsample_conv_projection.conv_" + std::to_string(i) + ".";
    list.Add(p + "conv.weight", {conv.channels, channels, conv.kernel_time, conv.kernel_frequency});
    list.Add(p + "norm.weight", {conv.channels});
    channels = conv.channels;
  }
  list.Add(prefix + "subsample_conv_projection.input_proj_linear.weight",
           {hidden, channels * config.convolutions[1].output_frequencies});
  for (int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    const std::string p = prefix + "conformer." + std::to_string(layer) + ".";
    for (const char* part : {"ffw_layer_start.", "ffw_layer_end."}) {
      list.Add(p + part + "pre_layer_norm.weight", {hidden});
      list.Add(p + part + "ffw_layer_1.weight", {4 * hidden, hidden});
      list.Add(p + part + "ffw_layer_2.weight", {hidden, 4 * hidden});
      list.Add(p + part + "post_layer_norm.weight", {hidden});
    }
    for (const char* norm : {"attention.pre_attn_norm", "attention.post_norm",
                             "lconv1d.pre_layer_norm", "lconv1d.conv_norm", "norm"}) {
      list.Add(p + norm + ".weight", {hidden});
    }
    for (const char* matrix :
         {"attention.attn.q_proj", "attention.attn.k_proj", "attention.attn.v_proj",
          "attention.attn.relative_position_embedding.pos_proj", "attention.post",
          "lconv1d.linear_end"}) {
      list.Add(p + matrix + ".weight", {hidden, hidden});
    }
    list.Add(p + "attention.attn.per_dim_scale", {config.head_dim()});
    list.Add(p + "lconv1d.linear_start.weight", {2 * hidden, hidden});
    list.Add(p + "lconv1d.depthwise_conv1d.weight", {hidden, 1, config.conv_kernel_size});
  }
}

// One block of the vision encoder, in the terms of timm's decoded block arguments.
struct VisionBlock {
  std::string type;  // "er", "uir", "mqa"
  int64_t out, stride = 1, start = 0, mid = 0, heads = 0, dim = 0, kv_stride = 1;
  double expansion = 1;
};

// MobileNet-V5-300M: the stages of the released encoder.
std::vector<std::vector<VisionBlock>> ReleasedVision() {
  const auto er = [](int64_t stride) {
    return VisionBlock{.type = "er", .out = 128, .stride = stride, .expansion = 4};
  };
  const auto uir = [](int64_t out, int64_t start, int64_t mid, double expansion,
                      int64_t stride = 1) {
    return VisionBlock{.type = "uir",
                       .out = out,
                       .stride = stride,
                       .start = start,
                       .mid = mid,
                       .expansion = expansion};
  };
  const auto mqa = [](int64_t out, int64_t heads, int64_t dim, int64_t kv_stride) {
    return VisionBlock{
        .type = "mqa", .out = out, .heads = heads, .dim = dim, .kv_stride = kv_stride};
  };
  std::vector<std::vector<VisionBlock>> stages(4);
  stages[0] = {er(2), er(1), er(1)};
  stages[1] = {uir(256, 3, 5, 6, 2), uir(256, 5, 0, 4), uir(256, 3, 0, 4), uir(256, 5, 0, 4),
               uir(256, 3, 0, 4)};
  stages[2] = {uir(640, 5, 5, 6, 2)};
  for (int i = 0; i < 7; ++i) stages[2].push_back(uir(640, 5, 0, 4));
  stages[2].push_back(uir(640, 0, 0, 1));
  for (int i = 0; i < 14; ++i) {
    stages[2].push_back(mqa(640, 12, 64, 2));
    stages[2].push_back(uir(640, 0, 0, 2));
  }
  stages[3] = {uir(1280, 5, 5, 6, 2)};
  for (int i = 0; i < 19; ++i) {
    stages[3].push_back(mqa(1280, 16, 96, 1));
    stages[3].push_back(uir(1280, 0, 0, 2));
  }
  return stages;
}

std::vector<std::vector<VisionBlock>> StatedVision(const JsonValue& block_args) {
  std::vector<std::vector<VisionBlock>> stages;
  for (const JsonValue& stage : block_args.Items()) {
    stages.emplace_back();
    for (const JsonValue& block : stage.Items()) {
      VisionBlock result;
      result.type = block["block_type"].String();
      if (result.type != "er" && result.type != "uir" && result.type != "mqa") {
        block["block_type"].Fail("\"er\", \"uir\" or \"mqa\"");
      }
      result.out = block["out_chs"].Int(1, 65536);
      result.stride = block["stride"].IntOr(1, 1, 2);
      result.start = block["dw_kernel_size_start"].IntOr(0, 0, 31);
      result.mid = block["dw_kernel_size_mid"].IntOr(0, 0, 31);
      result.expansion = block["exp_ratio"].NumberOr(1.0, 0.01, 64.0);
      result.heads = block["num_heads"].IntOr(1, 1, 1024);
      result.dim = block["key_dim"].IntOr(64, 1, 65536);
      result.kv_stride = block["kv_stride"].IntOr(1, 1, 2);
      stages.back().push_back(result);
    }
  }
  return stages;
}

// timm rounds widths to multiples of 8, never below 90 % of what was asked for.
int64_t RoundChannels(double channels) {
  int64_t rounded = std::max<int64_t>(8, static_cast<int64_t>(channels + 4) / 8 * 8);
  if (static_cast<double>(rounded) < 0.9 * channels) rounded += 8;
  return rounded;
}

void AddVisionBlock(const VisionBlock& block, int64_t in, const std::string& p, List& list) {
  const int64_t expanded = RoundChannels(static_cast<double>(in) * block.expansion);
  if (block.type == "er") {
    list.Add(p + "conv_exp.weight", {expanded, in, 3, 3});
    list.Add(p + "bn1.weight", {expanded});
    list.Add(p + "conv_pwl.weight", {block.out, expanded, 1, 1});
    list.Add(p + "bn2.weight", {block.out});
    return;
  }
  list.Add(p + "layer_scale.gamma", {block.out});
  if (block.type == "uir") {
    const auto depthwise = [&](const char* name, int64_t channels, int64_t kernel) {
      if (kernel == 0) return;
      list.Add(p + name + ".conv.weight", {channels, 1, kernel, kernel});
      list.Add(p + name + ".bn.weight", {channels});
    };
    depthwise("dw_start", in, block.start);
    list.Add(p + "pw_exp.conv.weight", {expanded, in, 1, 1});
    list.Add(p + "pw_exp.bn.weight", {expanded});
    depthwise("dw_mid", expanded, block.mid);
    list.Add(p + "pw_proj.conv.weight", {block.out, expanded, 1, 1});
    list.Add(p + "pw_proj.bn.weight", {block.out});
    return;
  }
  list.Add(p + "norm.weight", {in});
  list.Add(p + "attn.query.proj.weight", {block.heads * block.dim, in, 1, 1});
  for (const char* name : {"attn.key", "attn.value"}) {
    if (block.kv_stride == 2) {
      list.Add(p + name + ".down_conv.weight", {in, 1, 3, 3});
      list.Add(p + name + ".norm.weight", {in});
    }
    list.Add(p + name + ".proj.weight", {block.dim, in, 1, 1});
  }
  list.Add(p + "attn.output.proj.weight", {block.out, block.heads * block.dim, 1, 1});
}

void AddVision(const JsonValue& vision, int64_t features, List& list) {
  const std::string prefix = "model.vision_tower.timm_model.";
  const JsonValue args = vision["model_args"];
  const auto stages =
      args["block_args"].IsArray() ? StatedVision(args["block_args"]) : ReleasedVision();
  int64_t channels = args["stem_size"].IntOr(64, 1, 4096), before = 0;
  list.Add(prefix + "conv_stem.conv.weight", {channels, 3, 3, 3});
  list.Add(prefix + "conv_stem.conv.bias", {channels}, Need::kOptional);
  list.Add(prefix + "conv_stem.bn.weight", {channels});
  for (size_t stage = 0; stage < stages.size(); ++stage) {
    before = channels;
    for (size_t i = 0; i < stages[stage].size(); ++i) {
      AddVisionBlock(stages[stage][i], channels,
                     prefix + "blocks." + std::to_string(stage) + "." + std::to_string(i) + ".",
                     list);
      channels = stages[stage][i].out;
    }
  }
  const int64_t fused = before + channels;
  list.Add(prefix + "msfa.ffn.pw_exp.conv.weight", {2 * fused, fused, 1, 1});
  list.Add(prefix + "msfa.ffn.pw_exp.bn.weight", {2 * fused});
  list.Add(prefix + "msfa.ffn.pw_proj.conv.weight", {features, 2 * fused, 1, 1});
  list.Add(prefix + "msfa.ffn.pw_proj.bn.weight", {features});
  list.Add(prefix + "msfa.norm.weight", {features});
}

}  // namespace

ModelParts ModelParts::Stated(const JsonValue& config) {
  return {.text_prefix = config["text_config"].IsObject() ? "model.language_model." : "model.",
          .vision = config["vision_config"].IsObject(),
          .audio = config["audio_config"].IsObject(),
          .head = !config["tie_word_embeddings"].BoolOr(true)};
}

ModelParts ModelParts::Of(const Checkpoint& checkpoint) {
  ModelParts parts = Stated(checkpoint.config());
  parts.text_prefix = TextPrefix(checkpoint).value_or(parts.text_prefix);
  parts.vision =
      HasPart(checkpoint, "model.vision_tower.") || HasPart(checkpoint, "model.embed_vision.");
  parts.audio =
      HasPart(checkpoint, "model.audio_tower.") || HasPart(checkpoint, "model.embed_audio.");
  parts.head = parts.head || checkpoint.Has("lm_head.weight");
  return parts;
}

std::vector<TensorEntry> ListTensors(const JsonValue& config, const ModelParts& parts) {
  const ModelConfig model = ModelConfig::Parse(config);
  List list;
  AddText(model.text, parts.text_prefix, list);
  if (parts.head) list.Add("lm_head.weight", {model.text.vocab_size, model.text.hidden_size});
  if (model.vision && parts.vision) {
    AddVision(config["vision_config"], model.vision->hidden_size, list);
    AddEmbedder(*model.vision, model.text.hidden_size, "model.embed_vision.", list);
  }
  if (model.audio && parts.audio) {
    AddAudio(AudioConfig::Parse(config["audio_config"]), list);
    AddEmbedder(*model.audio, model.text.hidden_size, "model.embed_audio.", list);
  }
  return list.Take();
}

}  // namespace gemma3n
