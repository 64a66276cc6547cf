// SPDX-License-Identifier: Apache-2.0
// Token ids, one after the other -> text that can be shown at once: never half a character.
#pragma once

#include <string>

#include "text/tokenizer.h"

namespace gemma3n {

// Differs from Tokenizer::Decode only in runs of byte tokens that are partly broken: what is whole
// is given out before the rest of the run is known.
class Detokenizer {
 public:
  Detokenizer(const Tokenizer& tokenizer, bool skip_control_tokens)
      : tokenizer_(tokenizer), skip_control_tokens_(skip_control_tokens) {}

  // The text that `id` completes; may be empty.
  std::string Push(int32_t id);
  // What is still held back: bytes of a character that never became whole, as U+FFFD.
  std::string Finish();

 private:
  void TakeWholeCharacters(std::string& text);

  const Tokenizer& tokenizer_;
  bool skip_control_tokens_;
  std::string bytes_;  // the beginning of a character
};

}  // namespace gemma3n
