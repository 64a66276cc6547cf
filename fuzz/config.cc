// SPDX-License-Identifier: Apache-2.0
#include "gemma3n/error.h"
#include "model/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    gemma3n::ModelConfig::Parse(gemma3n::JsonValue::Parse(text, "config.json"));
  } catch (const gemma3n::Error&) {
  }
  return 0;
}
