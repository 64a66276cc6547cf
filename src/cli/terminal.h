// SPDX-License-Identifier: Apache-2.0
// What the terminal shows and how it interrupts: text with escape codes made visible, standard
// output whose failures are noticed, Ctrl-C as a flag.
#pragma once

#include <sys/types.h>

#include <string>

#include "gemma3n/error.h"

namespace gemma3n::cli {

// Catches SIGINT from here on: the first sets a flag, a second one within the same work ends the
// process with 130. Where a signal ends it, the terminal is left as it is now.
void CatchInterrupts();
// The process group that such a signal ends with us; 0: none.
void EndWithUs(pid_t group);
bool Interrupted();
void ClearInterrupt();
// Readable from an interrupt until it is cleared, for waiting with poll.
int InterruptDescriptor();
// Standard input may be silent for long: false when Ctrl-C came before anything did.
bool WaitForStandardInput();

// Control characters other than newline and tab as "\x1b", those beyond ASCII (U+0080 to U+009F)
// as "\u009b"; for terminals only.
std::string ShowControls(const std::string& text);
// The same with newlines and tabs shown too: always one line, as messages and names must be.
std::string OneLine(const std::string& text);

bool IsTerminal(int descriptor);
// A terminal that knows more than plain lines: TERM is set and not "dumb".
bool TakesEscapeCodes(int descriptor);

enum class Color { kAuto, kAlways, kNever };
// The text, dim where standard error shows colours.
std::string Dim(const std::string& text, Color color);

// Standard output cannot be written. A reader that went away deserves no message.
class OutputError : public Error {
 public:
  OutputError(const std::string& message, bool reader_left)
      : Error(ErrorKind::kResources, message), reader_left_(reader_left) {}
  bool reader_left() const { return reader_left_; }

 private:
  bool reader_left_;
};

// Writes to standard output at once; false when it failed.
bool Put(const std::string& text);
// Writes what is still held back. Throws OutputError when anything so far was not written.
void CheckOutput();

// One clean line on standard error.
void Tell(const std::string& message);

}  // namespace gemma3n::cli
