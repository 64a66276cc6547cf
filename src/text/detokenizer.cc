// SPDX-License-Identifier: Apache-2.0
#include "text/detokenizer.h"

#include "base/utf8.h"

namespace gemma3n {

void Detokenizer::TakeWholeCharacters(std::string& text) {
  while (!bytes_.empty()) {
    const Utf8Character character = DecodeUtf8(bytes_);
    if (!character.valid && character.cut_off) return;
    if (character.valid) {
      text.append(bytes_, 0, character.bytes);
    } else {
      for (size_t i = 0; i < character.bytes; ++i) AppendUtf8(kReplacementCharacter, text);
    }
    bytes_.erase(0, character.bytes);
  }
}

std::string Detokenizer::Push(int32_t id) {
  std::string text;
  if (skip_control_tokens_ && tokenizer_.IsControl(id)) return text;
  if (const std::optional<uint8_t> byte = tokenizer_.ByteOf(id)) {
    bytes_ += static_cast<char>(*byte);
    TakeWholeCharacters(text);
    return text;
  }
  text = Finish();
  AppendPieceText(tokenizer_.Piece(id), text);
  return text;
}

std::string Detokenizer::Finish() {
  std::string text;
  for (size_t i = 0; i < bytes_.size(); ++i) AppendUtf8(kReplacementCharacter, text);
  bytes_.clear();
  return text;
}

}  // namespace gemma3n
