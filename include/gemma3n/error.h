// SPDX-License-Identifier: Apache-2.0
// The one exception of gemma3n: something in the world outside is wrong (a file, a request,
// memory). Thrown while loading and while a request is read; a front end maps `kind` to an exit
// code or a status.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace gemma3n {

enum class ErrorKind {
  kUsage,      // a wrong option or argument
  kModel,      // a model file is missing, damaged or not one we can run
  kMedia,      // a picture, sound or film cannot be read
  kRequest,    // a prompt or setting that cannot be served
  kResources,  // not enough memory or disk
  kInternal,   // anything else that failed while working
};

// The message is one line: what failed, what was expected, what was found, and a next step if any.
// It may quote names out of hostile files: control characters are shown as "\x0a", and a message of
// more than 4096 bytes is cut.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message)
      : std::runtime_error(OneLine(message)), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  static std::string OneLine(const std::string& message) {
    constexpr size_t kMostBytes = 4096;
    constexpr char kDigits[] = "0123456789abcdef";
    std::string line;
    for (const char c : message) {
      const auto byte = static_cast<unsigned char>(c);
      if (line.size() >= kMostBytes && (byte & 0xC0) != 0x80) return line + "...";
      if (byte >= 0x20 && byte != 0x7f) {
        line += c;
      } else {
        line += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
      }
    }
    return line;
  }

  ErrorKind kind_;
};

}  // namespace gemma3n
