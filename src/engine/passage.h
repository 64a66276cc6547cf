// SPDX-License-Identifier: Apache-2.0
// Given text -> what the decoder reads, and which of it is scored.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "engine/loaded_model.h"
#include "engine/media_encoder.h"
#include "gemma3n/perplexity.h"
#include "model/embedding.h"

namespace gemma3n {

// One sequence from the context's first position on. Soft tokens are borrowed from the reader.
struct Window {
  std::vector<DecoderInput> inputs;
  size_t first_target;  // inputs [first_target, end) are scored; at least 1
};

class PassageReader {
 public:
  // Throws Error (kRequest) for windows that this model does not have.
  PassageReader(LoadedModel& model, const WindowOptions& options);

  // Calls take(window, windows before it, windows of this passage) for one after the other, until
  // it returns false. Returns false when it did, or when the callback cancelled. Throws Error
  // (kRequest, kMedia) for what the model cannot take.
  using Take = std::function<bool(const Window& window, int64_t number, int64_t count)>;
  bool Read(const Passage& passage, const ProgressCallback& on_progress, const Take& take);

 private:
  bool ReadText(const std::string& text, const Take& take);
  bool ReadAnswer(const Passage& passage, const ProgressCallback& on_progress, const Take& take);

  LoadedModel& model_;
  WindowOptions options_;
  MediaEncoder media_;
};

}  // namespace gemma3n
