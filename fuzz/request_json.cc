// SPDX-License-Identifier: Apache-2.0
// JSON of requests: what is taken can be written and is taken again as the same.
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "server/json.h"
#include "server/refusal.h"

using namespace gemma3n::server;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const Json json = ParseJson(text);
    if (ParseJson(json.dump()) != json) std::abort();
    const Field body(json, "");
    body["temperature"].Number(0, 2);
    body["seed"].Integer(INT64_MIN, INT64_MAX);
    for (const Field& message : body["messages"].Items(4096)) message["content"].Text();
  } catch (const Refusal&) {
  }
  return 0;
}
