// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/gguf_vision.h"

#include <nlohmann/json.hpp>
#include <string>

namespace gemma3n {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMostStages = 64;
constexpr int kMostBlocks = 1024;  // of a stage

// The tensors of one block, "v.blk.2.0.".
class Block {
 public:
  Block(const Gguf& gguf, int stage, int number)
      : gguf_(gguf),
        prefix_("v.blk." + std::to_string(stage) + "." + std::to_string(number) + ".") {}

  // The size of a dimension; 0 where there is no such tensor.
  int64_t Dim(const std::string& name, size_t dim) const {
    const auto found = gguf_.tensors().find(prefix_ + name);
    if (found == gguf_.tensors().end() || found->second.shape.rank() <= dim) return 0;
    return found->second.shape[dim];
  }
  bool Has(const std::string& name) const { return Dim(name, 0) > 0; }

  // How many times more channels a convolution puts out than it takes.
  double Expansion(const std::string& name) const {
    const int64_t in = Dim(name, 1);
    return in > 0 ? static_cast<double>(Dim(name, 0)) / static_cast<double>(in) : 1.0;
  }

 private:
  const Gguf& gguf_;
  std::string prefix_;
};

// timm's terms; null where the tensors are those of no block.
Json Args(const Block& block) {
  if (block.Has("conv_exp.weight")) {
    return {{"block_type", "er"},
            {"out_chs", block.Dim("conv_pwl.weight", 0)},
            {"exp_ratio", block.Expansion("conv_exp.weight")}};
  }
  if (block.Has("attn.query.proj.weight")) {
    const int64_t dim = block.Dim("attn.key.proj.weight", 0);
    return {{"block_type", "mqa"},
            {"out_chs", block.Dim("attn.output.proj.weight", 0)},
            {"num_heads", dim > 0 ? block.Dim("attn.query.proj.weight", 0) / dim : 1},
            {"key_dim", dim},
            {"kv_stride", block.Has("attn.key.down_conv.weight") ? 2 : 1}};
  }
  if (block.Has("pw_exp.conv.weight")) {
    return {{"block_type", "uir"},
            {"out_chs", block.Dim("pw_proj.conv.weight", 0)},
            {"dw_kernel_size_start", block.Dim("dw_start.conv.weight", 2)},
            {"dw_kernel_size_mid", block.Dim("dw_mid.conv.weight", 2)},
            {"exp_ratio", block.Expansion("pw_exp.conv.weight")}};
  }
  return nullptr;
}

}  // namespace

Json GgufVisionArgs(const Gguf& gguf) {
  Json stages = Json::array();
  for (int stage = 0; stage < kMostStages; ++stage) {
    Json blocks = Json::array();
    for (int number = 0; number < kMostBlocks; ++number) {
      Json args = Args(Block(gguf, stage, number));
      if (args.is_null()) break;
      args["stride"] = number == 0 ? 2 : 1;
      blocks.push_back(std::move(args));
    }
    if (blocks.empty()) break;
    stages.push_back(std::move(blocks));
  }
  const auto stem = gguf.tensors().find("v.conv_stem.conv.weight");
  if (stages.empty() || stem == gguf.tensors().end()) return nullptr;
  return {{"stem_size", stem->second.shape[0]}, {"block_args", std::move(stages)}};
}

}  // namespace gemma3n
