// SPDX-License-Identifier: Apache-2.0
#include "server/answer_json.h"

#include <cstdio>
#include <ctime>
#include <nlohmann/json.hpp>

namespace gemma3n::server {

std::string JsonLine(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json BytesJson(const std::string& text) {
  Json bytes = Json::array();
  for (const char c : text) bytes.push_back(static_cast<unsigned char>(c));
  return bytes;
}

std::string TimeText(std::chrono::system_clock::time_point time) {
  const int64_t microseconds =
      std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
  const std::time_t seconds = static_cast<std::time_t>(microseconds / 1'000'000);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char text[64];
  const size_t size = std::strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &parts);
  std::snprintf(text + size, sizeof(text) - size, ".%06dZ",
                static_cast<int>(microseconds % 1'000'000));
  return text;
}

}  // namespace gemma3n::server
