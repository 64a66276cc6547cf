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

struct Judgement {
  bool right = false;
  std::optional<double> word_error_rate;  // where match is "wer", which is right at 0
};
// `match` is one of exact, contains and wer; white space around both does not count.
Judgement Judge(const std::string& match, const std::string& expected, const std::string& found);

}  // namespace gemma3n::cli
