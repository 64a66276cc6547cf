// SPDX-License-Identifier: Apache-2.0
#include "convert/cut_gguf.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <set>
#include <string>

#include "checkpoint/gguf_names.h"
#include "model/feed_forward.h"

namespace gemma3n {
namespace {

const std::string kBlock = "blk.";
const std::string kText = "gemma3n.";

// The number of the layer in "blk.12.ffn_up.weight"; -1 where there is none.
int64_t LayerOf(const std::string& name) {
  if (name.compare(0, kBlock.size(), kBlock) != 0) return -1;
  return std::atoll(name.c_str() + kBlock.size());
}

bool Contains(const std::string& name, const char* part) {
  return name.find(part) != std::string::npos;
}

// How many deviations above the mean a neuron must be, for each layer.
std::vector<float> Cutoffs(const Gguf& source, const TextConfig& full) {
  constexpr double kMost = 1e9;
  std::vector<float> cutoffs;
  if (const GgufValue* stated = source.Find(kText + "activation_sparsity_scale")) {
    for (const double cutoff : stated->Numbers(-INFINITY, kMost)) {
      cutoffs.push_back(static_cast<float>(cutoff));
    }
    return cutoffs;
  }
  for (const double share : full.activation_sparsity_pattern) {
    cutoffs.push_back(share > 0 ? CutoffDeviations(static_cast<float>(share)) : -INFINITY);
  }
  return cutoffs;
}

}  // namespace

std::vector<CutTensor> CutGgufTensors(const Gguf& source, const Cutter& cutter) {
  std::vector<CutTensor> tensors;
  for (const auto& [name, view] : source.tensors()) {
    const int64_t layer = LayerOf(name);
    const int place = layer < 0 ? -1 : cutter.PlaceOf(layer);
    if (layer >= 0 && place < 0) continue;
    const auto usual = FromGgufName(name);
    std::optional<CutTensor> cut = cutter.Cut(usual ? usual->name : name, name, view);
    if (!cut) continue;
    cut->name = layer < 0
                    ? name
                    : kBlock + std::to_string(place) + name.substr(name.find('.', kBlock.size()));
    tensors.push_back(std::move(*cut));
  }
  std::sort(tensors.begin(), tensors.end(), [](const CutTensor& a, const CutTensor& b) {
    return a.selection.data < b.selection.data;
  });
  return tensors;
}

GgufMetadata CutGgufMetadata(const Gguf& source, const TextConfig& full,
                             const SubmodelShape& shape) {
  const std::vector<float> all_cutoffs = Cutoffs(source, full);
  std::vector<bool> sliding;
  std::vector<float> cutoffs;
  uint64_t sharing = 0;
  for (const int layer : shape.layers) {
    sliding.push_back(full.is_sliding(layer));
    cutoffs.push_back(all_cutoffs.at(static_cast<size_t>(layer)));
    sharing += full.shares_kv(layer) ? 1 : 0;
  }
  const std::set<std::string> told = {gguf::kAlignmentKey,
                                      kText + "block_count",
                                      kText + "feed_forward_length",
                                      kText + "attention.sliding_window_pattern",
                                      kText + "attention.shared_kv_layers",
                                      kText + "activation_sparsity_scale"};
  GgufMetadata metadata;
  for (const auto& [key, value] : source.metadata()) {
    if (told.contains(key)) continue;
    // Some converters write the number of heads for each layer, always the same.
    if (value.IsArray() && Contains(key, "attention.head_count")) {
      metadata.AddUint(key, static_cast<uint64_t>(Contains(key, "_kv") ? full.num_key_value_heads
                                                                       : full.num_attention_heads));
    } else {
      metadata.AddCopy(key, value);
    }
  }
  const std::vector<int64_t>& widths = shape.intermediate_size;
  metadata.AddUint(kText + "block_count", shape.layers.size());
  if (std::set<int64_t>(widths.begin(), widths.end()).size() == 1) {
    metadata.AddUint(kText + "feed_forward_length", static_cast<uint64_t>(widths[0]));
  } else {
    metadata.AddUints(kText + "feed_forward_length", widths);
  }
  metadata.AddBools(kText + "attention.sliding_window_pattern", sliding);
  metadata.AddUint(kText + "attention.shared_kv_layers", sharing);
  metadata.AddFloats(kText + "activation_sparsity_scale", cutoffs);
  return metadata;
}

}  // namespace gemma3n
