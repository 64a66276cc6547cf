// SPDX-License-Identifier: Apache-2.0
// What listings of models tell of this one: what its files hold.
#pragma once

#include <chrono>
#include <string>

#include "gemma3n/inspect.h"
#include "gemma3n/server.h"

namespace gemma3n::server {

struct ModelCard {
  ModelReport report;
  std::string format;          // "safetensors", "gguf" or "packed"
  std::string parameter_size;  // "5.4B"
  std::chrono::system_clock::time_point modified_at;
  // 64 hex digits that other files would not have: of their names, sizes and times, not of what
  // they hold, which would take long to read.
  std::string digest;
};

// Throws Error (kModel).
ModelCard CardOf(const ServerOptions& options);

// "5.4B", "7.0M".
std::string CountText(int64_t parameters);

}  // namespace gemma3n::server
