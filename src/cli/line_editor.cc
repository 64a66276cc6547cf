// SPDX-License-Identifier: Apache-2.0
#include "cli/line_editor.h"

#include <editline/readline.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <utility>

#include "cli/terminal.h"

namespace gemma3n::cli {

LineEditor::LineEditor(std::string history_file)
    : history_file_(std::move(history_file)), interactive_(IsTerminal(STDIN_FILENO)) {
  if (!interactive_ || history_file_.empty()) return;
  const int file = open(history_file_.c_str(), O_CREAT | O_RDONLY | O_CLOEXEC, 0600);
  if (file >= 0) close(file);
  using_history();
  read_history(history_file_.c_str());
}

std::optional<std::string> LineEditor::Read(const std::string& prompt) {
  if (!interactive_) {
    std::string line;
    if (!std::getline(std::cin, line)) return std::nullopt;
    return line;
  }
  char* read = readline(prompt.c_str());
  if (read == nullptr) return std::nullopt;
  std::string line(read);
  std::free(read);
  if (!line.empty()) {
    add_history(line.c_str());
    if (!history_file_.empty()) write_history(history_file_.c_str());
  }
  return line;
}

}  // namespace gemma3n::cli
