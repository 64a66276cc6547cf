// SPDX-License-Identifier: Apache-2.0
// An answer as it comes -> sentences to be read aloud, each as soon as it is complete.
#pragma once

#include <string>
#include <vector>

namespace gemma3n::cli {

// What is not for the ear is left out: control characters, the marks of Markdown, the targets of
// links, and what stands between ``` and ```.
class SpokenText {
 public:
  // Pieces are whole characters of UTF-8. Each sentence is one line, without its end, not empty.
  std::vector<std::string> Push(const std::string& piece);
  std::vector<std::string> Finish();

 private:
  void TakeComplete(std::vector<std::string>& sentences);
  // Takes `count` bytes off; `line_ends`: what follows begins a line.
  void TakeSentence(size_t count, bool line_ends, std::vector<std::string>& sentences);

  std::string waiting_;
  bool line_begins_ = true;  // where waiting_ does
  bool in_code_ = false;
};

}  // namespace gemma3n::cli
