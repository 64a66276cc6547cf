// SPDX-License-Identifier: Apache-2.0
// UTF-8 in and out, one character at a time. Invalid bytes are defined, not feared: each maximal
// part of a broken character counts as one U+FFFD, as the Unicode Standard recommends (chapter 3,
// "U+FFFD Substitution of Maximal Subparts") and as Python's bytes.decode(errors="replace") does.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace gemma3n {

constexpr char32_t kReplacementCharacter = 0xFFFD;

struct Utf8Character {
  char32_t code_point;  // kReplacementCharacter when invalid
  size_t bytes;         // at least 1
  bool valid;
  bool cut_off;  // invalid only because the text ends inside of it
};

// The character that starts at `text[0]`; `text` is not empty.
Utf8Character DecodeUtf8(std::string_view text);

void AppendUtf8(char32_t code_point, std::string& text);

bool IsValidUtf8(std::string_view text);

// `text` with each invalid part replaced by U+FFFD; itself when it is valid.
std::string ReplaceInvalidUtf8(std::string_view text);

// The characters that Python's str.strip() takes for white space.
bool IsPythonSpace(char32_t code_point);

// Valid `text` without white space at both ends, as Python's str.strip() returns it.
std::string_view StripPythonSpace(std::string_view text);

// `text` between quotes for a message: shortened, control characters and invalid bytes escaped.
std::string Quoted(std::string_view text);

}  // namespace gemma3n
