// SPDX-License-Identifier: Apache-2.0
// Lines from a person: edited and with a history on a terminal (libedit), plain otherwise.
#pragma once

#include <optional>
#include <string>

namespace gemma3n::cli {

class LineEditor {
 public:
  // History is kept in `history_file`, readable by its owner alone; empty: none.
  explicit LineEditor(std::string history_file);

  // The next line without its newline; nullopt at the end of input.
  std::optional<std::string> Read(const std::string& prompt);

 private:
  std::string history_file_;
  bool interactive_;
};

}  // namespace gemma3n::cli
