// SPDX-License-Identifier: Apache-2.0
#include "cli/answer_metrics.h"

#include <algorithm>
#include <cctype>
#include <vector>

namespace gemma3n::cli {
namespace {

std::vector<std::string> Words(const std::string& text) {
  std::vector<std::string> words;
  std::string word;
  for (char c : text + " ") {
    if (std::isspace(static_cast<unsigned char>(c))) {
      if (!word.empty()) words.push_back(word);
      word.clear();
    } else {
      word += c;
    }
  }
  return words;
}

// Characters of UTF-8, one space for all white space between two words.
std::vector<std::string> Characters(const std::string& text) {
  std::vector<std::string> characters;
  for (const std::string& word : Words(text)) {
    if (!characters.empty()) characters.push_back(" ");
    for (char c : word) {
      const bool goes_on = (static_cast<unsigned char>(c) & 0xc0) == 0x80;
      if (goes_on && !characters.empty()) {
        characters.back() += c;
      } else {
        characters.emplace_back(1, c);
      }
    }
  }
  return characters;
}

// Least number of parts to insert, delete or replace, by the number of expected ones.
double ErrorRate(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return static_cast<double>(row.back()) / static_cast<double>(std::max<size_t>(a.size(), 1));
}

}  // namespace

std::string Trim(const std::string& text) {
  const auto space = [](unsigned char c) { return std::isspace(c) != 0; };
  auto begin = std::find_if_not(text.begin(), text.end(), space);
  auto end = std::find_if_not(text.rbegin(), text.rend(), space).base();
  return begin < end ? std::string(begin, end) : std::string();
}

double WordErrorRate(const std::string& expected, const std::string& found) {
  return ErrorRate(Words(expected), Words(found));
}

double CharacterErrorRate(const std::string& expected, const std::string& found) {
  return ErrorRate(Characters(expected), Characters(found));
}

Judgement Judge(const std::string& match, const std::string& expected_text,
                const std::string& found_text) {
  const std::string expected = Trim(expected_text), found = Trim(found_text);
  if (match == "contains") return {found.find(expected) != std::string::npos, {}, {}};
  if (match != "wer") return {found == expected, {}, {}};
  const double rate = WordErrorRate(expected, found);
  return {rate == 0, rate, CharacterErrorRate(expected, found)};
}

}  // namespace gemma3n::cli
