// SPDX-License-Identifier: Apache-2.0
#include "cli/line_editor.h"

#include <editline/readline.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <optional>
#include <utility>

#include "cli/terminal.h"

namespace gemma3n::cli {
namespace {

using Kind = LineEditor::Line::Kind;

// What libedit's callback found; it takes no argument of ours.
std::optional<LineEditor::Line> finished;

void OnLine(char* text) {
  finished = {text == nullptr ? Kind::kEnd : Kind::kText, text == nullptr ? "" : text};
  std::free(text);
  rl_callback_handler_remove();
}

LineEditor::Line ReadKeys(const std::string& prompt) {
  finished.reset();
  bool typed = false;  // before that, libedit's buffer holds the line before this one
  rl_callback_handler_install(prompt.c_str(), OnLine);
  while (!finished) {
    pollfd events[] = {{STDIN_FILENO, POLLIN, 0}, {InterruptDescriptor(), POLLIN, 0}};
    if (poll(events, 2, -1) < 0) continue;
    if (events[1].revents != 0) {
      finished = {Kind::kInterrupted, typed ? rl_line_buffer : ""};
    } else if ((events[0].revents & POLLIN) != 0) {
      rl_callback_read_char();
      typed = true;
      continue;
    } else {
      finished = {Kind::kEnd, ""};
    }
    rl_callback_handler_remove();
    ClearInterrupt();  // before the line ends on the screen: what comes later is meant for the
                       // answer
    Put("\n");
  }
  return *std::exchange(finished, std::nullopt);
}

}  // namespace

LineEditor::LineEditor(std::string history_file)
    : history_file_(std::move(history_file)), interactive_(IsTerminal(STDIN_FILENO)) {
  if (!interactive_) return;
  rl_initialize();
  // The marks that some terminals put around what is pasted; libedit would take half of them for
  // text.
  for (const char* mark : {"bind ^[[200~ ed-ignore", "bind ^[[201~ ed-ignore"}) {
    rl_parse_and_bind(mark);
  }
  if (history_file_.empty()) return;
  const int file = open(history_file_.c_str(), O_CREAT | O_RDONLY | O_CLOEXEC, 0600);
  if (file >= 0) close(file);
  using_history();
  read_history(history_file_.c_str());
}

LineEditor::Line LineEditor::Read(const std::string& prompt) {
  if (!interactive_) {
    std::string text;
    if (std::getline(std::cin, text)) return {Kind::kText, text};
    return {Interrupted() ? Kind::kInterrupted : Kind::kEnd, ""};
  }
  Line line = ReadKeys(prompt);
  if (line.kind == Kind::kText && !line.text.empty() && keep_history_) {
    add_history(line.text.c_str());
    if (!history_file_.empty()) write_history(history_file_.c_str());
  }
  return line;
}

}  // namespace gemma3n::cli
