// SPDX-License-Identifier: Apache-2.0
#include "vision/vision_weights.h"

#include <cmath>
#include <string>

#include "checkpoint/tensors.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

constexpr char kPrefix[] = "model.vision_tower.timm_model.";
constexpr char kChannelsLast[] = ".channels_last";

// The tower's tensors as layers want them; shapes are read from the file and checked against each
// other.
class VisionTensors : public Tensors {
 public:
  using Tensors::Tensors;
  explicit VisionTensors(const Tensors& tensors) : Tensors(tensors) {}
  VisionTensors Below(const std::string& name) const { return VisionTensors(Tensors::Below(name)); }

  std::vector<float> OptionalVector(const std::string& name, int64_t size) const {
    return Has(name) ? Vector(name, size) : std::vector<float>();
  }

  // A 1x1 convolution of `in` channels, as a matrix [out, in]; quantized, it is stored as one.
  TensorView Pointwise(const std::string& name, int64_t in) const {
    TensorView view = Find(name);
    if (packed::IsTiled(view.dtype)) return Tiles(name, view.shape[0], in);
    view = Four(name);
    view = Get(name, {view.shape[0], in, 1, 1});
    view.shape = Shape({view.shape[0], in});
    return view;
  }
  PointwiseWeights NormedPointwise(const std::string& conv, const std::string& norm,
                                   int64_t in) const {
    PointwiseWeights weights;
    weights.conv = Pointwise(conv, in);
    weights.norm = Vector(norm, weights.conv.shape[0]);
    return weights;
  }

  // A full convolution: `name`.weight or, quantized, the matrix `name`.channels_last.
  ConvolutionWeights Full(const std::string& name, int64_t in, int64_t stride) const {
    if (Has(name + kChannelsLast)) return QuantizedFull(name + kChannelsLast, in, stride);
    return FloatFull(name + ".weight", in, stride);
  }
  ConvolutionWeights FloatFull(const std::string& name, int64_t in, int64_t stride) const {
    const TensorView view = Four(name);
    const int64_t out = view.shape[0], kernel = view.shape[2], taps = kernel * kernel;
    const std::vector<float> stored = Floats(name, {out, in, kernel, kernel});
    ConvolutionWeights weights{
        .owned = Tensor({out, taps * in}), .kernel_size = kernel, .stride = stride};
    for (int64_t o = 0; o < out; ++o) {
      for (int64_t i = 0; i < in; ++i) {
        for (int64_t tap = 0; tap < taps; ++tap) {
          weights.owned.row(o)[tap * in + i] = stored[(o * in + i) * taps + tap];
        }
      }
    }
    weights.kernel = weights.owned.view();
    return weights;
  }

  InvertedResidualWeights::Depthwise Depthwise(const std::string& conv, const std::string& norm,
                                               int64_t channels, int64_t stride) const {
    const int64_t kernel = Four(conv).shape[2], taps = kernel * kernel;
    const std::vector<float> stored = Floats(conv, {channels, 1, kernel, kernel});
    InvertedResidualWeights::Depthwise result;
    result.conv = {Tensor({taps, channels}), kernel, stride};
    for (int64_t channel = 0; channel < channels; ++channel) {
      for (int64_t tap = 0; tap < taps; ++tap) {
        result.conv.kernel.row(tap)[channel] = stored[channel * taps + tap];
      }
    }
    result.norm = Vector(norm, channels);
    return result;
  }

 private:
  ConvolutionWeights QuantizedFull(const std::string& name, int64_t in, int64_t stride) const {
    const TensorView view = Find(name);
    const int64_t columns = view.shape.rank() == 2 ? view.shape[1] : 0;
    const int64_t kernel = std::llround(std::sqrt(static_cast<double>(columns / in)));
    if (kernel < 1 || kernel * kernel * in != columns) {
      throw Error(ErrorKind::kModel, FileOf(name) + ": tensor '" + FullName(name) +
                                         "': expected columns for the taps of a square times " +
                                         std::to_string(in) + " channels, found " +
                                         view.shape.ToString());
    }
    return {.kernel = Tiles(name, view.shape[0], columns), .kernel_size = kernel, .stride = stride};
  }
  // The tensor, whose rank must be 4.
  TensorView Four(const std::string& name) const {
    const TensorView view = Find(name);
    if (view.empty()) return Get(name, {0, 0, 0, 0});  // says what is missing
    if (view.shape.rank() != 4) {
      throw Error(ErrorKind::kModel, FileOf(name) + ": tensor '" + FullName(name) +
                                         "': expected four dimensions, found " +
                                         view.shape.ToString());
    }
    return view;
  }
};

bool HasFull(const VisionTensors& tensors, const std::string& name) {
  return tensors.Has(name + ".weight") || tensors.Has(name + kChannelsLast);
}

EdgeResidualWeights LoadEdgeResidual(const VisionTensors& tensors, int64_t in, int64_t stride) {
  EdgeResidualWeights weights;
  weights.conv_exp = tensors.Full("conv_exp", in, stride);
  const int64_t expanded = weights.conv_exp.kernel.shape[0];
  weights.bn1 = tensors.Vector("bn1.weight", expanded);
  weights.conv_pwl = tensors.NormedPointwise("conv_pwl.weight", "bn2.weight", expanded);
  return weights;
}

InvertedResidualWeights LoadInvertedResidual(const VisionTensors& tensors, int64_t in,
                                             int64_t stride) {
  InvertedResidualWeights weights;
  const bool has_mid = tensors.Has("dw_mid.conv.weight");
  if (tensors.Has("dw_start.conv.weight")) {
    weights.dw_start =
        tensors.Depthwise("dw_start.conv.weight", "dw_start.bn.weight", in, has_mid ? 1 : stride);
  }
  weights.pw_exp = tensors.NormedPointwise("pw_exp.conv.weight", "pw_exp.bn.weight", in);
  const int64_t expanded = weights.pw_exp.conv.shape[0];
  if (has_mid) {
    weights.dw_mid = tensors.Depthwise("dw_mid.conv.weight", "dw_mid.bn.weight", expanded, stride);
  }
  weights.pw_proj = tensors.NormedPointwise("pw_proj.conv.weight", "pw_proj.bn.weight", expanded);
  weights.layer_scale = tensors.OptionalVector("layer_scale.gamma", weights.pw_proj.conv.shape[0]);
  weights.allow_skip = stride == 1;
  return weights;
}

MobileAttentionWeights LoadMobileAttention(const VisionTensors& tensors, int64_t channels) {
  const VisionTensors attention = tensors.Below("attn");
  const auto key_value = [&](const std::string& name) {
    MobileAttentionWeights::KeyValue weights;
    if (attention.Has(name + ".down_conv.weight")) {
      weights.down =
          attention.Depthwise(name + ".down_conv.weight", name + ".norm.weight", channels, 2);
    }
    weights.proj = attention.Pointwise(name + ".proj.weight", channels);
    return weights;
  };
  MobileAttentionWeights weights;
  weights.norm = tensors.Vector("norm.weight", channels);
  weights.query = attention.Pointwise("query.proj.weight", channels);
  weights.key = key_value("key");
  weights.value = key_value("value");
  weights.output = attention.Pointwise("output.proj.weight", weights.query.shape[0]);
  weights.layer_scale = tensors.OptionalVector("layer_scale.gamma", channels);
  const int64_t dim = weights.key.proj.shape[0];
  if (weights.value.proj.shape[0] != dim || weights.query.shape[0] % dim != 0 ||
      weights.output.shape[0] != channels) {
    throw Error(ErrorKind::kModel,
                "vision attention: queries of " + std::to_string(weights.query.shape[0]) +
                    ", keys of " + std::to_string(dim) + " and values of " +
                    std::to_string(weights.value.proj.shape[0]) + " channels do not fit together");
  }
  return weights;
}

int64_t OutputChannels(const BlockWeights& block) {
  if (const auto* edge = std::get_if<EdgeResidualWeights>(&block)) {
    return edge->conv_pwl.conv.shape[0];
  }
  if (const auto* inverted = std::get_if<InvertedResidualWeights>(&block)) {
    return inverted->pw_proj.conv.shape[0];
  }
  return std::get<MobileAttentionWeights>(block).output.shape[0];
}

BlockWeights LoadBlock(const VisionTensors& tensors, int64_t in, int64_t stride) {
  if (HasFull(tensors, "conv_exp")) return LoadEdgeResidual(tensors, in, stride);
  if (tensors.Has("attn.query.proj.weight")) return LoadMobileAttention(tensors, in);
  return LoadInvertedResidual(tensors, in, stride);
}

// Strides of a stage's blocks: as stated, else 2 for the first block of a stage.
int64_t Stride(const JsonValue& block_args, size_t stage, size_t block) {
  if (block_args.IsArray() && stage < block_args.size()) {
    const std::vector<JsonValue> blocks = block_args.Items()[stage].Items();
    if (block < blocks.size()) return blocks[block]["stride"].IntOr(1, 1, 2);
  }
  return block == 0 ? 2 : 1;
}

// Arguments of timm's builder that change what is computed without changing a tensor's shape.
void RefuseWhatWeCannot(const JsonValue& vision) {
  const auto only = [](const JsonValue& value, const std::string& wanted, bool holds) {
    if (!holds) value.Fail(wanted + ", the only value this engine knows");
  };
  const JsonValue args = vision["model_args"];
  const JsonValue architecture = vision["architecture"];
  only(architecture, "an architecture of the family \"mobilenetv5\"",
       architecture.StringOr("mobilenetv5_300m_enc").rfind("mobilenetv5", 0) == 0);
  only(args["use_msfa"], "true", args["use_msfa"].BoolOr(true));
  for (const char* name : {"act_layer", "norm_layer", "se_layer"}) {
    only(args[name], "null", args[name].IsNull());
  }
  const JsonValue indices = args["msfa_indices"];
  if (!indices.IsNull()) {
    const std::vector<JsonValue> items = indices.Items();
    only(indices, "[-2, -1]", items.size() == 2 && items[0].Int() == -2 && items[1].Int() == -1);
  }
  if (!args["block_args"].IsArray()) return;
  for (const JsonValue& stage : args["block_args"].Items()) {
    for (const JsonValue& block : stage.Items()) {
      only(block["noskip"], "false", !block["noskip"].BoolOr(false));
      only(block["act_layer"], "null", block["act_layer"].IsNull());
      only(block["dw_kernel_size_end"], "0", block["dw_kernel_size_end"].IntOr(0) == 0);
    }
  }
}

bool HasBlock(const VisionTensors& tensors) {
  return HasFull(tensors, "conv_exp") || tensors.Has("attn.query.proj.weight") ||
         tensors.Has("pw_exp.conv.weight");
}

}  // namespace

VisionWeights VisionWeights::Load(const Checkpoint& checkpoint, int64_t soft_tokens) {
  const VisionTensors tensors(checkpoint, kPrefix);
  RefuseWhatWeCannot(checkpoint.config()["vision_config"]);
  const JsonValue args = checkpoint.config()["vision_config"]["model_args"];
  VisionWeights weights;
  weights.stem = tensors.FloatFull("conv_stem.conv.weight", 3, 2);
  int64_t channels = weights.stem.kernel.shape[0];
  weights.stem_bias = tensors.OptionalVector("conv_stem.conv.bias", channels);
  weights.stem_norm = tensors.Vector("conv_stem.bn.weight", channels);
  std::vector<int64_t> stage_channels;
  for (size_t stage = 0;; ++stage) {
    const VisionTensors below = tensors.Below("blocks." + std::to_string(stage));
    std::vector<BlockWeights> blocks;
    for (size_t i = 0; HasBlock(below.Below(std::to_string(i))); ++i) {
      blocks.push_back(LoadBlock(below.Below(std::to_string(i)), channels,
                                 Stride(args["block_args"], stage, i)));
      channels = OutputChannels(blocks.back());
    }
    if (blocks.empty()) break;
    weights.stages.push_back(std::move(blocks));
    stage_channels.push_back(channels);
  }
  if (stage_channels.size() < 2) {
    throw Error(ErrorKind::kModel, checkpoint.directory().string() +
                                       ": expected a vision encoder of two stages or more, found " +
                                       std::to_string(stage_channels.size()));
  }
  const int64_t fused = stage_channels[stage_channels.size() - 2] + stage_channels.back();
  weights.fusion_exp =
      tensors.NormedPointwise("msfa.ffn.pw_exp.conv.weight", "msfa.ffn.pw_exp.bn.weight", fused);
  weights.fusion_proj =
      tensors.NormedPointwise("msfa.ffn.pw_proj.conv.weight", "msfa.ffn.pw_proj.bn.weight",
                              weights.fusion_exp.conv.shape[0]);
  weights.fusion_norm = tensors.Vector("msfa.norm.weight", weights.fusion_proj.conv.shape[0]);
  const int64_t side = std::llround(std::sqrt(static_cast<double>(soft_tokens)));
  weights.output_side = args["msfa_output_resolution"].IntOr(side, 1, 1024);
  if (weights.output_side * weights.output_side != soft_tokens) {
    checkpoint.config()["vision_soft_tokens_per_image"].Fail(
        "the square of the encoder's output side, " + std::to_string(weights.output_side));
  }
  return weights;
}

}  // namespace gemma3n
