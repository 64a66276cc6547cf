// SPDX-License-Identifier: Apache-2.0
// Any ids, of two bytes each, are shown as whole characters, at once and alike.
#include <cstdlib>

#include "base/utf8.h"
#include "nano_text.h"
#include "text/detokenizer.h"

using namespace gemma3n;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const Tokenizer& tokenizer = NanoTokenizer();
  const int64_t vocabulary = tokenizer.vocab_size();
  std::vector<int32_t> ids;
  for (size_t i = 0; i + 1 < size; i += 2) {
    // One on either side of them is none.
    ids.push_back(static_cast<int32_t>((data[i] | data[i + 1] << 8) % (vocabulary + 2) - 1));
  }
  for (const bool skip : {false, true}) {
    Detokenizer detokenizer(tokenizer, skip);
    std::string text;
    for (const int32_t id : ids) {
      const std::string piece = detokenizer.Push(id);
      if (!IsValidUtf8(piece)) std::abort();
      text += piece;
    }
    text += detokenizer.Finish();
    if (!detokenizer.Finish().empty() || !IsValidUtf8(text)) std::abort();
    const std::string whole = tokenizer.Decode(ids, skip);
    if (whole.find("\uFFFD") == std::string::npos && whole != text) std::abort();
    tokenizer.Encode(text, Tokenizer::ControlTokens::kParse);
  }
  return 0;
}
