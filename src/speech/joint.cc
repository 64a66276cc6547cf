// SPDX-License-Identifier: Apache-2.0
#include "speech/joint.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace gemma3n {
namespace {

struct Word {
  size_t begin, end;  // bytes of the text
  std::string plain;  // small letters, no marks
};

bool IsMark(char c) {
  const unsigned char byte = static_cast<unsigned char>(c);
  return byte < 0x80 && std::isalnum(byte) == 0;
}

// White space parts words; marks alone are no word.
std::vector<Word> WordsOf(const std::string& text) {
  std::vector<Word> words;
  for (size_t i = 0; i < text.size();) {
    if (std::isspace(static_cast<unsigned char>(text[i])) != 0) {
      ++i;
      continue;
    }
    Word word{i, i, ""};
    for (; i < text.size() && std::isspace(static_cast<unsigned char>(text[i])) == 0; ++i) {
      if (IsMark(text[i])) continue;
      word.plain += static_cast<char>(std::tolower(static_cast<unsigned char>(text[i])));
    }
    word.end = i;
    if (!word.plain.empty()) words.push_back(std::move(word));
  }
  return words;
}

std::string Trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t\n");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t\n") - begin + 1);
}

}  // namespace

std::pair<std::string, std::string> Join(const std::string& before, const std::string& after,
                                         size_t most) {
  constexpr size_t kCutWords = 2;  // at either side of a joint: words that were heard in part
  const std::vector<Word> left = WordsOf(before), right = WordsOf(after);
  const size_t first = left.size() - std::min(most, left.size());
  const size_t last = std::min(most, right.size());
  size_t best = 0, best_left = 0, best_right = 0;
  for (size_t i = first; i < left.size(); ++i) {
    for (size_t j = 0; j < std::min(last, kCutWords + 1); ++j) {
      size_t run = 0;
      while (i + run < left.size() && j + run < last &&
             left[i + run].plain == right[j + run].plain) {
        ++run;
      }
      // What follows the run in the first text must be no more than words that were cut. A single
      // word says little: it must stand at the very end and the very beginning.
      const size_t cut = left.size() - std::min(left.size(), i + run);
      if (run > best && cut <= kCutWords && (run > 1 || cut + j == 0)) {
        best = run;
        best_left = i;
        best_right = j;
      }
    }
  }
  if (best == 0) return {Trimmed(before), Trimmed(after)};
  // The first text keeps the run, the second goes on after it.
  const size_t end = left[best_left + best - 1].end;
  const size_t next = best_right + best;
  const std::string rest = next < right.size() ? after.substr(right[next].begin) : "";
  return {Trimmed(before.substr(0, end)), Trimmed(rest)};
}

}  // namespace gemma3n
