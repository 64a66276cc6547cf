// SPDX-License-Identifier: Apache-2.0
#include "cli/line_editor.h"

#include <editline/readline.h>
#include <fcntl.h>
#include <langinfo.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <sstream>
#include <utility>

#include "cli/paste.h"
#include "cli/terminal.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

using Kind = LineEditor::Line::Kind;

// What libedit's callbacks found; they take no argument of ours.
std::optional<LineEditor::Line> finished;
enum class Wish { kNone, kMoreLines, kEditor } wish = Wish::kNone;

// Once a line has more than a kilobyte, libedit moves it, and goes on to write a NUL at its end
// where it was (rl_line_buffer). So it is given this, which is written to and never read: what
// stands in a line, only OnLine is told. A paste is bounded; a yank may double what is there.
// Not covered: a repeat count that makes a line of thousands of letters within one key.
constexpr size_t kMostPasted = 4 << 20;  // bytes of a line in which something is pasted
char end_of_line[4 * kMostPasted];

// libedit takes a newline at the end of its buffer for the Enter key, and so never gets to hold
// one. Where a text of several lines must be one of its own, in the history, this stands for the
// newline.
constexpr char kNewlineMark[] = "\u2424";

std::string Replaced(std::string text, const std::string& part, const std::string& by) {
  for (size_t at = 0; (at = text.find(part, at)) != std::string::npos; at += by.size()) {
    text.replace(at, part.size(), by);
  }
  return text;
}

void OnLine(char* text) {
  finished = {text == nullptr ? Kind::kEnd : Kind::kText, text == nullptr ? "" : text};
  std::free(text);
  rl_callback_handler_remove();
}

int OnMoreLines(int, int) {
  wish = Wish::kMoreLines;
  return 0;
}
int OnEditor(int, int) {
  wish = Wish::kEditor;
  return 0;
}

// What terminals put around a paste when asked to, so that its newlines are no Enter keys.
constexpr char kAskForPasteMarks[] = "\x1b[?2004h", kNoPasteMarks[] = "\x1b[?2004l";
constexpr char kPasteEnd[] = "\x1b[201~";

// The first mark has come; what was pasted becomes part of the line, with all its lines.
int OnPaste(int, int) {
  std::string text;
  while (text.find(kPasteEnd) == std::string::npos) {
    pollfd events[] = {{STDIN_FILENO, POLLIN, 0}, {InterruptDescriptor(), POLLIN, 0}};
    if (poll(events, 2, -1) < 0) continue;
    char byte = 0;  // one by one: behind the mark come keys
    if (events[1].revents != 0 || read(STDIN_FILENO, &byte, 1) != 1) return 0;
    text += byte == '\r' ? '\n' : byte;
  }
  text.erase(text.size() - std::strlen(kPasteEnd));
  text.erase(text.find_last_not_of('\n') + 1);
  text = Replaced(text, "\n", kNewlineMark);
  if (text.size() + static_cast<size_t>(rl_end) > kMostPasted) {
    Put("\nthat is more than a message holds: " + std::to_string(text.size()) + " bytes\n");
  } else {
    rl_insert_text(text.c_str());
  }
  rl_line_buffer = end_of_line;  // libedit has set its own for this call
  rl_forced_update_display();
  return 0;
}

// Ends the line where it is, as if it were done.
void Finish(LineEditor::Line line) {
  finished = std::move(line);
  rl_callback_handler_remove();
  Put("\n");
}

void TakeKey() {
  rl_line_buffer = end_of_line;
  rl_callback_read_char();
}

// One line on the screen, which begins as `text`. A wish of its typist's may end it.
LineEditor::Line ReadKeys(const std::string& prompt, const std::string& text) {
  finished.reset();
  wish = Wish::kNone;
  bool typed = false;  // before that, libedit's buffer holds the line before this one
  const bool marks = TakesEscapeCodes(STDOUT_FILENO);
  if (marks) Put(kAskForPasteMarks);
  rl_callback_handler_install(prompt.c_str(), OnLine);
  if (!text.empty()) {
    rl_insert_text(text.c_str());
    Put("\r");  // libedit draws the prompt anew, from where the cursor stands
    rl_forced_update_display();
  }
  while (!finished) {
    pollfd events[] = {{STDIN_FILENO, POLLIN, 0}, {InterruptDescriptor(), POLLIN, 0}};
    if (poll(events, 2, -1) < 0) continue;
    if (events[1].revents != 0) {
      ClearInterrupt();  // before the line ends on the screen: what comes later is meant for the
                         // answer
      Finish({Kind::kInterrupted, typed ? std::string(static_cast<size_t>(rl_end), '?') : text});
    } else if ((events[0].revents & POLLIN) != 0) {
      TakeKey();
      typed = true;
      // Behind the key of a wish comes Enter.
      while (wish != Wish::kNone && !finished) TakeKey();
    } else {
      Finish({Kind::kEnd, ""});
    }
  }
  if (marks) Put(kNoPasteMarks);
  return *std::exchange(finished, std::nullopt);
}

// The text as its editor left it; as it was where that failed.
std::string Edited(const std::string& text) {
  try {
    std::string edited = EditText(text);
    while (!edited.empty() && (edited.back() == '\n' || edited.back() == '\r')) edited.pop_back();
    return edited;
  } catch (const Error& error) {
    Tell(error.what());
    return text;
  }
}

// A text of one or more lines. Those above the last are done.
LineEditor::Line ReadText(const std::string& prompt) {
  std::string above, last;
  const auto prompt_now = [&](bool first) { return first ? prompt : std::string("... "); };
  for (;;) {
    LineEditor::Line line = ReadKeys(prompt_now(above.empty()), last);
    if (line.kind == Kind::kEnd) return line;
    line.text = above + Replaced(line.text, kNewlineMark, "\n");
    if (line.kind == Kind::kInterrupted || wish == Wish::kNone) return line;
    std::string text = wish == Wish::kEditor ? Edited(line.text) : line.text + "\n";
    const size_t begin = text.find_last_of('\n') + 1;  // 0 where there is none
    last = text.substr(begin);
    above = text.substr(0, begin);
    if (wish == Wish::kMoreLines) continue;
    std::istringstream lines(above);
    bool first = true;
    for (std::string shown; std::getline(lines, shown); first = false) {
      Put(prompt_now(first) + ShowControls(shown) + "\n");
    }
  }
}

// ESC and Enter, which is what Alt-Enter sends, Ctrl-G, and the mark before a paste stand for these
// keys, the first two and Enter. They are functions of ours since libedit gives such a function one
// key and no sequence.
constexpr char kMoreLinesKey = 0x1f;  // Ctrl-_
constexpr char kEditorKey = 0x1d;     // Ctrl-]
constexpr char kPasteKey = 0x1e;      // Ctrl-^

void BindKeys() {
  rl_add_defun("gemma3n-more-lines", OnMoreLines, kMoreLinesKey);
  rl_add_defun("gemma3n-editor", OnEditor, kEditorKey);
  rl_add_defun("gemma3n-paste", OnPaste, kPasteKey);
  for (const char* binding :
       {"bind -s ^[^M ^_^M", "bind -s ^[^J ^_^M", "bind -s ^G ^]^M", "bind -s ^[[200~ ^^",
        // An end without a beginning: libedit would take half of it for text.
        "bind ^[[201~ ed-ignore"}) {
    rl_parse_and_bind(binding);
  }
}

// Letters are more than one byte: libedit asks the locale.
void UseUtf8() {
  std::setlocale(LC_CTYPE, "");
  if (std::strcmp(nl_langinfo(CODESET), "UTF-8") != 0) std::setlocale(LC_CTYPE, "C.UTF-8");
}

}  // namespace

LineEditor::LineEditor(std::string history_file)
    : history_file_(std::move(history_file)), interactive_(IsTerminal(STDIN_FILENO)) {
  if (!interactive_) return;
  UseUtf8();
  rl_initialize();
  BindKeys();
  if (history_file_.empty()) return;
  const int file = open(history_file_.c_str(), O_CREAT | O_RDONLY | O_CLOEXEC, 0600);
  if (file >= 0) close(file);
  using_history();
  read_history(history_file_.c_str());
}

LineEditor::Line LineEditor::Read(const std::string& prompt) {
  return interactive_ ? ReadText(prompt) : ReadPlain();
}

bool LineEditor::HasLine() const {
  return ended_ || read_ahead_.find('\n') != std::string::npos;
}

LineEditor::Line LineEditor::ReadPlain() {
  while (!HasLine()) {
    char piece[4096];
    const ssize_t count = read(STDIN_FILENO, piece, sizeof(piece));
    if (Interrupted()) return {Kind::kInterrupted, ""};
    if (count < 0 && errno == EINTR) continue;
    ended_ = count <= 0;
    if (count > 0) read_ahead_.append(piece, static_cast<size_t>(count));
  }
  if (read_ahead_.empty()) return {Kind::kEnd, ""};
  const size_t end = read_ahead_.find('\n');
  const std::string text = read_ahead_.substr(0, end);
  read_ahead_.erase(0, end == std::string::npos ? end : end + 1);
  return {Kind::kText, text};
}

void LineEditor::Keep(const std::string& text) const {
  if (!interactive_ || text.empty()) return;
  add_history(Replaced(text, "\n", kNewlineMark).c_str());
  if (!history_file_.empty()) write_history(history_file_.c_str());
}

}  // namespace gemma3n::cli
