// SPDX-License-Identifier: Apache-2.0
// JSON of answers: what the writers of all dialects have in common.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "server/json.h"

namespace gemma3n::server {

// On one line; bytes that are no whole character, which a token may be, become U+FFFD.
std::string JsonLine(const Json& json);
// The bytes of a text as a list of numbers.
Json BytesJson(const std::string& text);
// "2026-01-05T10:00:00.123456Z".
std::string TimeText(std::chrono::system_clock::time_point time);

}  // namespace gemma3n::server
