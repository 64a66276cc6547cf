// SPDX-License-Identifier: Apache-2.0
#include "convert/moments.h"

#include <algorithm>
#include <array>
#include <cstdlib>
#include <set>

#include "base/aligned_buffer.h"
#include "kernels/float_dot.h"
#include "model/decoder.h"

namespace gemma3n {
namespace {

constexpr size_t kChunk = 256;  // positions computed together, whose logits are held

struct Reader {
  const char* tensor;  // what the tensor's name holds
  const char* input;
};
constexpr Reader kReaders[] = {
    {"self_attn.q_proj.", "normed"},
    {"self_attn.k_proj.", "normed"},
    {"self_attn.v_proj.", "normed"},
    {"self_attn.o_proj.", "attended"},
    {"laurel.linear_left.", "normed"},
    {"laurel.linear_right.", "laurel_low"},
    {"mlp.gate_proj.", "feed_forward_input"},
    {"mlp.up_proj.", "feed_forward_input"},
    {"mlp.down_proj.", "feed_forward_product"},
    {"per_layer_input_gate.", "per_layer_gate_input"},
    {"per_layer_projection.", "per_layer_product"},
    {"per_layer_model_projection.", "embedding"},
    {"altup_projections.", "embedding"},
    {"embed_tokens.weight", "merged_normed"},
    {"lm_head.weight", "merged_normed"},
};

int NumberAfter(const std::string& text, const std::string& part) {
  const size_t at = text.find(part);
  return at == std::string::npos ? -1 : std::atoi(text.c_str() + at + part.size());
}

// Adds X^T X of rows as they come to the moments that are wanted.
class Adder : public DecoderObserver {
 public:
  Adder(std::map<InputKey, Moments>& moments, ThreadPool& pool) : moments_(moments), pool_(pool) {}

  void Observe(const Observation& seen) override {
    const auto found = moments_.find({seen.layer, std::string(seen.name)});
    if (found == moments_.end()) return;
    Moments& moments = found->second;
    CHECK_EQ(moments.width, seen.width);
    Transpose(seen);
    moments.positions += seen.rows.rows;
    // Tiles of the lower triangle of every block.
    std::vector<std::array<int64_t, 3>> tiles;
    for (int64_t begin = 0; begin < moments.width; begin += moments.block) {
      for (int64_t j = begin; j < moments.BlockEnd(begin); j += kTile) {
        for (int64_t k = begin; k <= j; k += kTile) tiles.push_back({begin, j, k});
      }
    }
    pool_.ParallelFor(tiles.size(), [&](size_t i) {
      AddTile(moments, tiles[i][0], tiles[i][1], tiles[i][2], seen.rows.rows);
    });
  }

 private:
  static constexpr int64_t kTile = 64;

  // transposed_ [width, rows]
  void Transpose(const Observation& seen) {
    const int64_t rows = seen.rows.rows;
    transposed_.Reserve(static_cast<size_t>(seen.width * rows));
    float* out = transposed_.data();
    pool_.ParallelFor((seen.width + kTile - 1) / kTile, [&](size_t piece) {
      const int64_t begin = static_cast<int64_t>(piece) * kTile;
      const int64_t end = std::min(seen.width, begin + kTile);
      for (int64_t row = 0; row < rows; ++row) {
        const float* in = seen.rows.data + row * seen.rows.stride;
        for (int64_t k = begin; k < end; ++k) out[k * rows + row] = in[k];
      }
    });
  }

  void AddTile(Moments& moments, int64_t begin, int64_t j, int64_t k, int64_t rows) const {
    float products[kTile * kTile];
    const int64_t end = moments.BlockEnd(begin);
    const int64_t height = std::min(kTile, end - j), width = std::min(kTile, end - k);
    const size_t depth = static_cast<size_t>(rows);
    kernels::DotTile(transposed_.data() + j * rows, transposed_.data() + k * rows,
                     {static_cast<size_t>(height), static_cast<size_t>(width), depth, depth, depth,
                      static_cast<size_t>(kTile)},
                     products);
    for (int64_t a = 0; a < height; ++a) {
      float* out = moments.means.data() + (j + a) * moments.block + (k - begin);
      for (int64_t b = 0; b < width; ++b) out[b] += products[a * kTile + b];
    }
  }

  std::map<InputKey, Moments>& moments_;
  ThreadPool& pool_;
  AlignedBuffer<float> transposed_;
};

// Sums to means, and the upper triangle from the lower.
void FinishMoments(Moments& moments) {
  const float share = moments.positions > 0 ? 1.0f / static_cast<float>(moments.positions) : 0.0f;
  for (float& value : moments.means) value *= share;
  for (int64_t begin = 0; begin < moments.width; begin += moments.block) {
    const int64_t count = moments.BlockEnd(begin) - begin;
    float* block = moments.means.data() + begin * moments.block;
    for (int64_t j = 0; j < count; ++j) {
      for (int64_t k = 0; k < j; ++k) {
        block[k * moments.block + j] = block[j * moments.block + k];
      }
    }
  }
}

}  // namespace

int64_t CalibrationText::positions() const {
  int64_t count = 0;
  for (const CalibrationSequence& sequence : sequences) {
    count += static_cast<int64_t>(sequence.inputs.size());
  }
  return count;
}

std::optional<InputKey> InputOf(const std::string& tensor, const TextConfig& config) {
  if (tensor.find("_tower.") != std::string::npos) return std::nullopt;
  const int unembed = NumberAfter(tensor, "altup_unembed_projections.");
  if (unembed >= 0) {
    return InputKey{static_cast<int>(config.num_hidden_layers) - 1,
                    "stream_" + std::to_string(unembed + 1)};
  }
  for (const Reader& reader : kReaders) {
    if (tensor.find(reader.tensor) == std::string::npos) continue;
    return InputKey{NumberAfter(tensor, "layers."), reader.input};
  }
  return std::nullopt;
}

int64_t InputWidth(const InputKey& key, const DecoderWeights& weights) {
  if (key.layer < 0) return weights.config.hidden_size;
  const LayerWeights& layer = weights.layers[key.layer];
  if (key.name == "attended") return layer.attention.o_proj.shape[1];
  if (key.name == "laurel_low") return layer.laurel.linear_left.shape[0];
  if (key.name == "feed_forward_product") return layer.feed_forward.gate_proj.shape[0];
  if (key.name == "per_layer_product") return layer.per_layer_input_gate.shape[0];
  return weights.config.hidden_size;
}

Moments::Moments(int64_t columns)
    : width(columns), block(columns <= kWidest ? columns : kBlock), means(columns * block) {}

std::vector<float> Moments::Diagonal() const {
  std::vector<float> diagonal(static_cast<size_t>(width));
  for (int64_t k = 0; k < width; ++k) diagonal[k] = means[k * block + k % block];
  return diagonal;
}

int64_t Moments::BytesFor(int64_t columns) {
  return columns * (columns <= kWidest ? columns : kBlock) * static_cast<int64_t>(sizeof(float));
}

MomentsCollector::MomentsCollector(const CalibrationText& text, std::vector<InputKey> order,
                                   int64_t bytes)
    : text_(text), order_(std::move(order)), bytes_(bytes) {}

const Moments* MomentsCollector::Find(size_t at, const ProgressCallback& on_progress) {
  if (!held_.contains(order_[at]) && !Collect(at, on_progress)) return nullptr;
  return &held_.at(order_[at]);
}

bool MomentsCollector::Collect(size_t from, const ProgressCallback& on_progress) {
  held_.clear();
  int64_t bytes = 0;
  for (size_t i = from; i < order_.size(); ++i) {
    if (held_.contains(order_[i])) continue;
    const int64_t width = InputWidth(order_[i], text_.weights);
    bytes += Moments::BytesFor(width);
    if (!held_.empty() && bytes > bytes_) break;
    held_.emplace(order_[i], Moments(width));
  }
  Adder adder(held_, text_.pool);
  Decoder decoder(text_.weights, text_.pool, {.max_chunk = kChunk, .observer = &adder});
  // Logits are asked for so that every layer sees every position.
  std::vector<float> logits(kChunk * static_cast<size_t>(decoder.vocab_size()));
  const int64_t total = text_.positions();
  int64_t done = 0;
  for (const CalibrationSequence& sequence : text_.sequences) {
    const std::span<const DecoderInput> inputs(sequence.inputs);
    DecoderState state(text_.weights.config,
                       {.context_length = static_cast<int64_t>(inputs.size())});
    for (size_t begin = 0; begin < inputs.size(); begin += kChunk) {
      if (on_progress && !on_progress({"reading calibration text", done, total})) return false;
      const size_t count = std::min(kChunk, inputs.size() - begin);
      decoder.Prefill(state, inputs.subspan(begin, count), LogitsWanted::kAll,
                      std::span(logits).first(count * static_cast<size_t>(decoder.vocab_size())));
      done += static_cast<int64_t>(count);
    }
  }
  for (auto& [key, moments] : held_) FinishMoments(moments);
  return true;
}

}  // namespace gemma3n
