// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/error.h"
#include "text/tokenizer.h"

// A file that is taken for a tokenizer encodes and decodes its own text without harm.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto tokenizer =
        gemma3n::Tokenizer::Parse(gemma3n::JsonValue::Parse(text, "tokenizer.json"));
    for (auto mode :
         {gemma3n::Tokenizer::ControlTokens::kAsText, gemma3n::Tokenizer::ControlTokens::kParse}) {
      tokenizer->Decode(tokenizer->Encode(text, mode), true);
    }
  } catch (const gemma3n::Error&) {
  }
  return 0;
}
