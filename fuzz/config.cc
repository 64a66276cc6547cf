// SPDX-License-Identifier: Apache-2.0
#include "model/config.h"

#include <functional>

#include "audio/audio_config.h"
#include "convert/tensor_list.h"
#include "gemma3n/error.h"
#include "vision/preprocess.h"

namespace {

void Try(const std::function<void()>& parse) {
  try {
    parse();
  } catch (const gemma3n::Error&) {
  }
}

}  // namespace

// Any bytes as each of the JSON files that hold numbers: sizes of text, vision and audio, the front
// ends of both, sampling.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Try([&] {
    const gemma3n::JsonValue root = gemma3n::JsonValue::Parse(text, "x.json");
    Try([&] { gemma3n::GenerationConfig::Parse(root, gemma3n::ModelConfig::Parse(root)); });
    Try([&] { gemma3n::AudioConfig::Parse(root["audio_config"]); });
    Try([&] { gemma3n::MelConfig::Parse(root); });
    Try([&] { gemma3n::PreprocessConfig::Parse(root); });
    Try([&] { gemma3n::ListTensors(root, gemma3n::ModelParts::Stated(root)); });
  });
  return 0;
}
