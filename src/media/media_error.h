// SPDX-License-Identifier: Apache-2.0
// How this room says no: one line that starts with the file's name.
#pragma once

#include <string>

#include "gemma3n/error.h"

namespace gemma3n {

[[noreturn]] inline void ThrowMedia(const std::string& name, const std::string& message) {
  throw Error(ErrorKind::kMedia, name + ": " + message);
}

}  // namespace gemma3n
