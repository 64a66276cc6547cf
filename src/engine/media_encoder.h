// SPDX-License-Identifier: Apache-2.0
// Pictures and clips -> soft tokens, keeping those of the conversation under way.
#pragma once

#include <deque>
#include <memory>

#include "engine/prompt.h"
#include "gemma3n/content.h"
#include "tensor/tensor.h"

namespace gemma3n {

class MediaEncoder {
 public:
  explicit MediaEncoder(LoadedModel& model) : model_(model) {}

  // Encodes what is new in the prompt and forgets what is no longer in it. Returns false when the
  // callback cancelled.
  bool Encode(const Prompt& prompt, const ProgressCallback& on_progress, Timings& timings);
  // The soft token [hidden] of an item that belongs to a medium.
  const float* SoftToken(const Prompt& prompt, const Prompt::Item& item) const {
    return SoftToken(prompt.media[static_cast<size_t>(item.medium)], item.row);
  }
  const float* SoftToken(const Medium& medium, int64_t row) const;
  // What a medium of the next prompts is encoded to, [positions, hidden]: its rows may still change
  // where they are not read.
  void Know(const Medium& medium, std::shared_ptr<const Tensor> soft_tokens);

  // Observers for one call of Encode; may be empty.
  VisionObserver vision_observer;
  AudioObserver audio_observer;

 private:
  struct Encoded {
    Medium medium;
    std::shared_ptr<const Tensor> soft_tokens;  // [positions, hidden]
  };
  const Encoded* Find(const Medium& medium) const;
  Tensor EncodeImage(const Medium& medium);
  Tensor EncodeClip(const Medium& medium);
  // After the work of an encoder (the beginning of its tensors' names; may be null): its weights
  // are not read for text, and its buffers are the largest of all.
  void GiveBack(const char* encoder);

  LoadedModel& model_;
  std::deque<Encoded> encoded_;
};

// The rows of a clip from this one on, behind its last token: they hold the embedding of the last
// id of the audio table, as in the reference.
void FillClip(LoadedModel& model, int64_t from_row, Tensor& soft_tokens);

}  // namespace gemma3n
