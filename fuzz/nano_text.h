// SPDX-License-Identifier: Apache-2.0
// How the embedded model reads and writes text.
#pragma once

#include <memory>

#include "checkpoint/checkpoint.h"
#include "text/tokenizer.h"

namespace gemma3n {

inline const Checkpoint& NanoCheckpoint() {
  static const auto checkpoint = Checkpoint::Load(GEMMA3N_SOURCE_DIR "/models/nano");
  return *checkpoint;
}

inline const Tokenizer& NanoTokenizer() {
  static const auto tokenizer = Tokenizer::Parse(NanoCheckpoint().Json("tokenizer.json"));
  return *tokenizer;
}

}  // namespace gemma3n
