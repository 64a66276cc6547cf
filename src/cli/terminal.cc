// SPDX-License-Identifier: Apache-2.0
#include "cli/terminal.h"

#include <fcntl.h>
#include <poll.h>
#include <termios.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace gemma3n::cli {
namespace {

constexpr int kInterruptedExit = 130;

volatile std::sig_atomic_t interrupts = 0;
int interrupt_pipe[2] = {-1, -1};

volatile std::sig_atomic_t group_to_end = 0;
termios first_modes;
bool has_modes = false;  // both set before any signal is caught

// In place of the destructors, which do not run when a signal ends the process.
void LeaveNothingBehind() {
  if (group_to_end > 0) kill(-group_to_end, SIGKILL);
  // From the background we would change the terminal of another program.
  if (has_modes && tcgetpgrp(STDIN_FILENO) == getpgrp()) {
    tcsetattr(STDIN_FILENO, TCSANOW, &first_modes);
  }
}

void OnInterrupt(int) {
  const int kept = errno;
  interrupts = interrupts + 1;
  if (interrupts > 1) {
    LeaveNothingBehind();
    _exit(kInterruptedExit);
  }
  [[maybe_unused]] const ssize_t written = write(interrupt_pipe[1], "", 1);
  errno = kept;
}

void OnEnd(int signal) {
  LeaveNothingBehind();
  std::signal(signal, SIG_DFL);
  raise(signal);  // ends us when this handler returns
}

std::string Escape(const std::string& text, bool lines_too) {
  std::string shown;
  char code[8];
  for (size_t i = 0; i < text.size(); ++i) {
    const unsigned char byte = static_cast<unsigned char>(text[i]);
    const unsigned char next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
    const bool space = text[i] == '\n' || text[i] == '\t';
    if ((byte < 0x20 && (lines_too || !space)) || byte == 0x7f) {
      std::snprintf(code, sizeof(code), "\\x%02x", byte);
      shown += code;
    } else if (byte == 0xc2 && next >= 0x80 && next < 0xa0) {
      std::snprintf(code, sizeof(code), "\\u%04x", next);
      shown += code;
      ++i;
    } else {
      shown += text[i];
    }
  }
  return shown;
}

// A pipe or socket whose other end is closed.
bool ReaderLeft() {
  pollfd output{STDOUT_FILENO, POLLOUT, 0};
  return poll(&output, 1, 0) == 1 && (output.revents & POLLERR) != 0;
}

}  // namespace

void CatchInterrupts() {
  [[maybe_unused]] const int failed = pipe2(interrupt_pipe, O_CLOEXEC | O_NONBLOCK);
  struct sigaction action {};
  action.sa_handler = OnInterrupt;
  sigaction(SIGINT, &action, nullptr);
  has_modes = tcgetattr(STDIN_FILENO, &first_modes) == 0;
  action.sa_handler = OnEnd;
  for (const int signal : {SIGTERM, SIGHUP, SIGQUIT}) {
    struct sigaction now {};
    sigaction(signal, nullptr, &now);
    if (now.sa_handler != SIG_IGN) sigaction(signal, &action, nullptr);  // nohup's stays
  }
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error of the write, not the end
}
bool Interrupted() {
  return interrupts > 0;
}
void EndWithUs(pid_t group) {
  group_to_end = group;
}
void ClearInterrupt() {
  for (char byte; read(interrupt_pipe[0], &byte, 1) > 0;) {
  }
  interrupts = 0;
}
int InterruptDescriptor() {
  return interrupt_pipe[0];
}

bool WaitForStandardInput() {
  pollfd waits[] = {{STDIN_FILENO, POLLIN, 0}, {InterruptDescriptor(), POLLIN, 0}};
  while (!Interrupted()) {
    if (poll(waits, 2, -1) > 0 && waits[0].revents != 0) return true;
  }
  return false;
}

std::string ShowControls(const std::string& text) {
  return Escape(text, /*lines_too=*/false);
}
std::string OneLine(const std::string& text) {
  return Escape(text, /*lines_too=*/true);
}

bool IsTerminal(int descriptor) {
  return isatty(descriptor) == 1;
}

bool TakesEscapeCodes(int descriptor) {
  const char* term = std::getenv("TERM");
  return IsTerminal(descriptor) && term != nullptr && *term != '\0' &&
         std::strcmp(term, "dumb") != 0;
}

std::string Dim(const std::string& text, Color color) {
  const bool automatic = TakesEscapeCodes(STDERR_FILENO) && std::getenv("NO_COLOR") == nullptr;
  const bool dim = color == Color::kAlways || (color == Color::kAuto && automatic);
  return dim ? "\x1b[2m" + text + "\x1b[0m" : text;
}

bool Put(const std::string& text) {
  return std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
         std::fflush(stdout) == 0;
}

void CheckOutput() {
  const bool flushed = std::fflush(stdout) == 0;
  const int reason = flushed ? 0 : errno;
  if (flushed && std::ferror(stdout) == 0) return;
  throw OutputError("standard output cannot be written" +
                        (reason == 0 ? std::string() : std::string(": ") + std::strerror(reason)),
                    reason == EPIPE || ReaderLeft());
}

void Tell(const std::string& message) {
  std::fprintf(stderr, "%s\n", OneLine(message).c_str());
}

}  // namespace gemma3n::cli
