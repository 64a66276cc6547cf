// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/packed_file.h"

#include <unistd.h>

#include <cstdio>

#include "gemma3n/error.h"

namespace {

// Everything that a reader may touch of a tensor: its bytes and, of a quantized one, its corners.
void Touch(const gemma3n::TensorView& view) {
  volatile uint8_t sum = 0;
  for (size_t i = 0; i < view.bytes(); ++i) sum = sum ^ static_cast<uint8_t>(view.data[i]);
  static_cast<void>(sum);
  if (!gemma3n::IsPacked(view.dtype)) return;
  for (int64_t row : {int64_t{0}, view.shape[0] - 1}) {
    float last;
    gemma3n::packed::UnpackRow(view.dtype, view.data, view.shape[1], row, view.shape[1] - 1, 1,
                               &last);
  }
}

}  // namespace

// Any bytes are a file that opens or one clear error; views never leave the mapping.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string path = "/tmp/gemma3n-fuzz-" + std::to_string(getpid());
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return 0;
  std::fwrite(data, 1, size, file);
  std::fclose(file);
  try {
    const gemma3n::PackedFile packed(path);
    for (const auto& [name, view] : packed.tensors()) Touch(view);
    packed.Damaged([](uint64_t) { return true; });
  } catch (const gemma3n::Error&) {
  }
  return 0;
}
