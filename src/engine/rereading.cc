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
  const SubmodelShape before = decoder.shape();
  decoder.SetShape(shape_);
  decoder.Prefill(state_, inputs, LogitsWanted::kNone, {});
  decoder.SetShape(before);
}

}  // namespace gemma3n
