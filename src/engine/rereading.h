// SPDX-License-Identifier: Apache-2.0
// A conversation that is read again at another size, piece by piece, while the size before goes on
// answering. When all is read, keys and values are those of a conversation that never knew another
// size.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "model/decoder.h"

namespace gemma3n {

class Rereading {
 public:
  // Positions after each token of the answer. More would hold the answer up longer, fewer make
  // less of each reading of the weights (docs/matformer.md has the times).
  static constexpr int64_t kPiece = 32;

  // `name` is the size's, for reports. Throws Error (kResources) when there is not enough memory.
  Rereading(const TextConfig& config, const DecoderState::Options& options, SubmodelShape shape,
            std::string name)
      : shape_(std::move(shape)), name_(std::move(name)), state_(config, options) {}

  const SubmodelShape& shape() const { return shape_; }
  const std::string& name() const { return name_; }
  int64_t position() const { return state_.position(); }  // how much is read

  // The conversation has become another one from `position` on.
  void Forget(int64_t position);
  // Goes on for a size that shares keys and values with this one.
  void Become(SubmodelShape shape, std::string name) {
    shape_ = std::move(shape);
    name_ = std::move(name);
  }
  // Reads the positions that follow position(), at most a piece; the decoder keeps its size, also
  // where this throws.
  void Read(Decoder& decoder, std::span<const DecoderInput> inputs);
  DecoderState TakeState() && { return std::move(state_); }

 private:
  SubmodelShape shape_;
  std::string name_;
  DecoderState state_;
};

}  // namespace gemma3n
