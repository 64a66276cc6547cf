// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/safetensors.h"

#include <unistd.h>

#include <cstdio>

#include "gemma3n/error.h"

// Any bytes are a file that opens or one clear error; views never leave the mapping.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string path = "/tmp/gemma3n-fuzz-" + std::to_string(getpid());
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return 0;
  std::fwrite(data, 1, size, file);
  std::fclose(file);
  try {
    const gemma3n::Safetensors tensors(path);
    volatile uint8_t sum = 0;
    for (const auto& [name, view] : tensors.tensors()) {
      for (size_t i = 0; i < view.bytes(); ++i) sum = sum ^ static_cast<uint8_t>(view.data[i]);
    }
    static_cast<void>(sum);
  } catch (const gemma3n::Error&) {
  }
  return 0;
}
