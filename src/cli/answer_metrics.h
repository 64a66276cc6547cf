// SPDX-License-Identifier: Apache-2.0
// Whether an answer is the expected one.
#pragma once

#include <optional>
#include <string>

namespace gemma3n::cli {

// Without white space around it.
std::string Trim(const std::string& text);

// Least number of words to insert, delete or replace, by the number of expected words.
double WordErrorRate(const std::string& expected, const std::string& found);

// The same of characters; white space between words is one of them.
double CharacterErrorRate(const std::string& expected, const std::string& found);

struct Judgement {
  bool right = false;
  // Where match is "wer", which is right when no word is wrong.
  std::optional<double> word_error_rate, character_error_rate;
};
// `match` is one of exact, contains and wer; white space around both does not count.
Judgement Judge(const std::string& match, const std::string& expected, const std::string& found);

}  // namespace gemma3n::cli
