// SPDX-License-Identifier: Apache-2.0
// A tokenizer.json (byte-pair merges in order of rank) as GGUF has vocabularies: pieces with scores
// and kinds, for a tokenizer that joins the neighbours whose piece has the highest score.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/json_value.h"

namespace gemma3n {

struct GgufVocabulary {
  std::vector<std::string> pieces;  // [size]; "[PAD7]" for id 7 where there is none
  std::vector<float> scores;        // the rank of the first merge that makes the piece, negated
  std::vector<int32_t> kinds;       // gguf::PieceType
  std::optional<int32_t> unknown;   // the id of unk_token
  std::optional<int32_t> mask, end_of_turn;
  // Pairs of pieces whose joint is a piece, though no merge lists the pair: a tokenizer that goes
  // by scores joins them all the same. 0 for Gemma's own vocabulary.
  int64_t unlisted_joints = 0;

  // `size` rows of the token table. Throws Error (kModel) for ids beyond them and pieces twice.
  static GgufVocabulary Parse(const JsonValue& tokenizer, int64_t size);
};

}  // namespace gemma3n
