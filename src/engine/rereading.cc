// SPDX-License-Identifier: Apache-2.0
#include "engine/rereading.h"

#include "base/check.h"

namespace gemma3n {

void Rereading::Forget(int64_t position) {
  if (state_.position() > position) {
    state_.Rewind(state_.CanRewind(position) ? position : 0);
  }
}

void Rereading::Read(Decoder& decoder, std::span<const DecoderInput> inputs) {
  CHECK_LE(static_cast<int64_t>(inputs.size()), kPiece);
  struct Restore {
    ~Restore() { decoder.SetShape(before); }
    Decoder& decoder;
    const SubmodelShape before;
  } restore{decoder, decoder.shape()};
  decoder.SetShape(shape_);
  decoder.Prefill(state_, inputs, LogitsWanted::kNone, {});
}

}  // namespace gemma3n
