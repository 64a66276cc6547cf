// SPDX-License-Identifier: Apache-2.0
// Bytes of a pipe, or, where the first one is odd, keys at a terminal: reading lines comes to an
// end, and what is shown of them is harmless.
#include "cli/line_editor.h"

#include <editline/readline.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <termios.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <thread>

#include "cli/paste.h"
#include "cli/terminal.h"

using namespace gemma3n::cli;

// Of somebody who changes nothing.
std::string gemma3n::cli::EditText(const std::string& text) {
  return text;
}

namespace {

constexpr size_t kMostKeys = 2000;
// Ends a paste, output that waits, the line and the text.
constexpr char kLastKeys[] = "\x1b[201~\x11\x15\r\x15\x04";

void Expect(bool holds) {
  if (!holds) std::abort();
}

// All lines, each with its end.
std::string ReadAll(LineEditor& editor) {
  std::string all;
  for (;;) {
    const LineEditor::Line line = editor.Read("> ");
    if (line.kind == LineEditor::Line::Kind::kEnd) return all;
    for (const char c : ShowControls(line.text)) {
      Expect(static_cast<unsigned char>(c) >= ' ' || c == '\n' || c == '\t');
    }
    editor.Keep(line.text);
    all += line.text + "\n";
  }
}

void Pipe(std::string_view bytes) {
  int ends[2];
  if (pipe(ends) != 0) return;
  const int kept = dup(STDIN_FILENO);
  dup2(ends[0], STDIN_FILENO);
  close(ends[0]);
  std::thread writer([&] {
    Expect(write(ends[1], bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
    close(ends[1]);
  });
  LineEditor editor("");
  std::string text = ReadAll(editor);
  writer.join();
  dup2(kept, STDIN_FILENO);
  close(kept);
  if (!bytes.empty() && !bytes.ends_with('\n')) text.pop_back();
  Expect(text == bytes);
}

// Standard input and output from here on; ours is the other end.
int OpenTerminal() {
  int ours, theirs;
  Expect(openpty(&ours, &theirs, nullptr, nullptr, nullptr) == 0);
  Expect(dup2(theirs, STDIN_FILENO) == STDIN_FILENO);
  Expect(dup2(theirs, STDOUT_FILENO) == STDOUT_FILENO);
  fcntl(ours, F_SETFL, O_NONBLOCK);
  setenv("TERM", "xterm", 1);
  return ours;
}

void Type(std::string_view keys) {
  static const int terminal = OpenTerminal();
  static LineEditor editor("");
  std::atomic<bool> ended = false;
  std::thread person([&] {
    for (char shown[4096]; !ended;) {
      while (read(terminal, shown, sizeof(shown)) > 0) {
      }
      const ssize_t typed = keys.empty() ? write(terminal, kLastKeys, sizeof(kLastKeys) - 1)
                                         : write(terminal, keys.data(), keys.size());
      if (!keys.empty() && typed > 0) keys.remove_prefix(static_cast<size_t>(typed));
      pollfd output{terminal, POLLIN, 0};
      poll(&output, 1, 1);
    }
  });
  ReadAll(editor);
  ended = true;
  person.join();
  tcflush(STDIN_FILENO, TCIFLUSH);
  clear_history();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  data[0] % 2 == 0 ? Pipe(bytes) : Type(bytes.substr(0, kMostKeys));
  return 0;
}
