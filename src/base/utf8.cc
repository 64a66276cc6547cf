// SPDX-License-Identifier: Apache-2.0
#include "base/utf8.h"

#include <cstdint>
#include <cstring>

namespace gemma3n {
namespace {

constexpr size_t kQuotedBytes = 60;  // longer text in a message tells nothing more

// What a first byte promises: how many bytes follow, and which second bytes keep the character
// short, outside the surrogates and below U+110000 (Unicode Standard, table 3-7).
struct Lead {
  uint8_t following;
  uint8_t low;
  uint8_t high;
};

Lead ReadLead(uint8_t byte) {
  if (byte < 0xC2) return {0, 0, 0};
  if (byte < 0xE0) return {1, 0x80, 0xBF};
  if (byte == 0xE0) return {2, 0xA0, 0xBF};
  if (byte == 0xED) return {2, 0x80, 0x9F};
  if (byte < 0xF0) return {2, 0x80, 0xBF};
  if (byte == 0xF0) return {3, 0x90, 0xBF};
  if (byte < 0xF4) return {3, 0x80, 0xBF};
  if (byte == 0xF4) return {3, 0x80, 0x8F};
  return {0, 0, 0};
}

// Bytes at the front of `text` that are ASCII for certain, in steps of eight.
size_t SkipAscii(std::string_view text) {
  size_t at = 0;
  for (; at + 8 <= text.size(); at += 8) {
    uint64_t word;
    std::memcpy(&word, text.data() + at, 8);
    if ((word & 0x8080808080808080u) != 0) break;
  }
  return at;
}

}  // namespace

Utf8Character DecodeUtf8(std::string_view text) {
  const auto first = static_cast<uint8_t>(text[0]);
  if (first < 0x80) return {first, 1, true, false};
  Lead lead = ReadLead(first);
  if (lead.following == 0) return {kReplacementCharacter, 1, false, false};
  // 0x3F, 0x1F, 0x0F, 0x07 bits of the first byte count.
  char32_t code_point = first & (0x3Fu >> lead.following);
  for (size_t i = 1; i <= lead.following; ++i) {
    if (i == text.size()) return {kReplacementCharacter, i, false, true};
    const auto byte = static_cast<uint8_t>(text[i]);
    if (byte < lead.low || byte > lead.high) return {kReplacementCharacter, i, false, false};
    code_point = code_point << 6 | (byte & 0x3Fu);
    lead.low = 0x80;
    lead.high = 0xBF;
  }
  return {code_point, lead.following + 1u, true, false};
}

void AppendUtf8(char32_t code_point, std::string& text) {
  const auto tail = [&](int shift) {
    text += static_cast<char>(0x80 | ((code_point >> shift) & 0x3F));
  };
  if (code_point < 0x80) {
    text += static_cast<char>(code_point);
  } else if (code_point < 0x800) {
    text += static_cast<char>(0xC0 | (code_point >> 6));
    tail(0);
  } else if (code_point < 0x10000) {
    text += static_cast<char>(0xE0 | (code_point >> 12));
    tail(6);
    tail(0);
  } else {
    text += static_cast<char>(0xF0 | (code_point >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

bool IsValidUtf8(std::string_view text) {
  while (!text.empty()) {
    text.remove_prefix(SkipAscii(text));
    if (text.empty()) break;
    const Utf8Character character = DecodeUtf8(text);
    if (!character.valid) return false;
    text.remove_prefix(character.bytes);
  }
  return true;
}

std::string ReplaceInvalidUtf8(std::string_view text) {
  std::string valid;
  valid.reserve(text.size());
  while (!text.empty()) {
    const Utf8Character character = DecodeUtf8(text);
    if (character.valid) {
      valid.append(text.substr(0, character.bytes));
    } else {
      AppendUtf8(kReplacementCharacter, valid);
    }
    text.remove_prefix(character.bytes);
  }
  return valid;
}

bool IsPythonSpace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

std::string_view StripPythonSpace(std::string_view text) {
  while (!text.empty()) {
    const Utf8Character character = DecodeUtf8(text);
    if (!IsPythonSpace(character.code_point)) break;
    text.remove_prefix(character.bytes);
  }
  while (!text.empty()) {
    size_t start = text.size() - 1;
    while (start > 0 && (static_cast<uint8_t>(text[start]) & 0xC0) == 0x80) --start;
    if (!IsPythonSpace(DecodeUtf8(text.substr(start)).code_point)) break;
    text.remove_suffix(text.size() - start);
  }
  return text;
}

std::string Quoted(std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string quoted = "'";
  while (!text.empty()) {
    if (quoted.size() > kQuotedBytes) return quoted + "...'";
    const Utf8Character character = DecodeUtf8(text);
    const bool control = character.code_point < 0x20 ||
                         (character.code_point >= 0x7F && character.code_point < 0xA0);
    for (char c : text.substr(0, character.bytes)) {
      if (character.valid && !control) {
        quoted += c;
      } else {
        const auto byte = static_cast<uint8_t>(c);
        quoted += {'\\', 'x', kHex[byte >> 4], kHex[byte & 15]};
      }
    }
    text.remove_prefix(character.bytes);
  }
  return quoted + "'";
}

}  // namespace gemma3n
