// SPDX-License-Identifier: Apache-2.0
// What flows into the decoder's matrices: the second moments of each matrix's input, X^T X over the
// positions of calibration text. Wide inputs keep the blocks on the diagonal only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "base/thread_pool.h"
#include "gemma3n/content.h"
#include "model/config.h"
#include "model/embedding.h"
#include "model/observer.h"
#include "model/weights.h"

namespace gemma3n {

// Positions from the context's first one on. Soft tokens are borrowed.
struct CalibrationSequence {
  std::vector<DecoderInput> inputs;
  size_t first_target;  // what stands from here on was to be foreseen; at least 1
};

// Text to calibrate with, as the decoder reads it, and the model that it is read with.
struct CalibrationText {
  const DecoderWeights& weights;
  ThreadPool& pool;
  std::vector<CalibrationSequence> sequences;
  int64_t positions() const;
};

// One input that matrices read: what the observer sees (docs/decoder.md), and in which layer.
struct InputKey {
  int layer;  // -1: outside the layers
  std::string name;
  friend bool operator==(const InputKey&, const InputKey&) = default;
  friend bool operator<(const InputKey& a, const InputKey& b) {
    return std::tie(a.layer, a.name) < std::tie(b.layer, b.name);
  }
};
// The input of a tensor of the text model, by its name; nothing where the decoder does not show it.
std::optional<InputKey> InputOf(const std::string& tensor, const TextConfig& config);

// Means over positions of x_j x_k. Blocks of `block` columns along the diagonal, the last may be
// smaller; entry (j, k) of the block that begins at column b is at (b + j) * block + k.
struct Moments {
  static constexpr int64_t kWidest = 2048;  // wider ones are cut into blocks
  static constexpr int64_t kBlock = 256;    // 16 MB for 16384 columns

  explicit Moments(int64_t columns);
  int64_t width, block;
  std::vector<float> means;
  int64_t positions = 0;

  static int64_t BytesFor(int64_t columns);
  std::vector<float> Diagonal() const;  // [width]
  int64_t BlockEnd(int64_t begin) const { return std::min(width, begin + block); }
};

// Gathers moments in as many passes over the text as memory asks for.
class MomentsCollector {
 public:
  // `order` are the inputs as they will be asked for; neighbours may be equal. At most `bytes` of
  // moments are held, or a single one. `text` outlives the collector.
  MomentsCollector(const CalibrationText& text, std::vector<InputKey> order, int64_t bytes);

  // The moments of order[at]; calls come in order. Null when the callback cancelled. Valid until a
  // later call.
  const Moments* Find(size_t at, const ProgressCallback& on_progress);

 private:
  bool Collect(size_t from, const ProgressCallback& on_progress);

  const CalibrationText& text_;
  std::vector<InputKey> order_;
  int64_t bytes_;
  std::map<InputKey, Moments> held_;
};

// Columns of the input `key`.
int64_t InputWidth(const InputKey& key, const DecoderWeights& weights);

}  // namespace gemma3n
