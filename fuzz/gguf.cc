// SPDX-License-Identifier: Apache-2.0
#include "checkpoint/gguf.h"

#include <unistd.h>

#include <cstdio>

#include "checkpoint/checkpoint.h"
#include "checkpoint/gguf_model.h"
#include "gemma3n/error.h"
#include "model/config.h"

namespace {

// Everything that a reader may touch: of plain types the bytes, of blocks also the elements.
void Touch(const gemma3n::TensorView& view) {
  volatile uint8_t sum = 0;
  for (size_t i = 0; i < view.bytes(); ++i) sum = sum ^ static_cast<uint8_t>(view.data[i]);
  static_cast<void>(sum);
  if (view.dtype != gemma3n::DType::kI32) gemma3n::ToFloatVector(view);
}

// The structure alone, then the model in it.
void Read(const std::string& path) {
  {
    const gemma3n::Gguf gguf(path);
    for (const auto& [name, view] : gguf.tensors()) Touch(view);
  }
  const auto checkpoint = gemma3n::Checkpoint::Load(path, {.threads = 1});
  for (const std::string& name : checkpoint->Names()) {
    const gemma3n::TensorView view = checkpoint->Find(name);
    Touch(view);
    if (view.dtype == gemma3n::DType::kI32) continue;
    checkpoint->Get(name, view.shape, gemma3n::Checkpoint::Forms::kFloatOrTiles);
  }
  checkpoint->Json("tokenizer.json");
  gemma3n::ModelConfig::Load(*checkpoint);
}

}  // namespace

// Any bytes are a model or one clear error; views never leave the mapping.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const std::string path = "/tmp/gemma3n-fuzz-" + std::to_string(getpid());
  std::FILE* file = std::fopen(path.c_str(), "wb");
  if (file == nullptr) return 0;
  std::fwrite(data, 1, size, file);
  std::fclose(file);
  try {
    Read(path);
  } catch (const gemma3n::Error&) {
  }
  return 0;
}
