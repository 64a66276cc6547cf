// SPDX-License-Identifier: Apache-2.0
#include "engine/media_encoder.h"

#include <algorithm>
#include <chrono>

#include "base/free_memory.h"
#include "engine/elapsed.h"
#include "model/soft_tokens.h"

namespace gemma3n {
namespace {

using Clock = std::chrono::steady_clock;

}  // namespace

void FillClip(LoadedModel& model, int64_t from_row, Tensor& soft_tokens) {
  if (from_row >= soft_tokens.shape()[0]) return;
  const MultimodalEmbedder& embedder = *model.weights.embedding.audio;
  std::vector<float> scratch(static_cast<size_t>(embedder.width()));
  std::vector<float> fill(static_cast<size_t>(soft_tokens.shape()[1]));
  const int32_t filler = embedder.vocab_offset + static_cast<int32_t>(embedder.vocab_size()) - 1;
  EmbedModalityId(embedder, filler, scratch, fill, model.pool);
  for (int64_t row = from_row; row < soft_tokens.shape()[0]; ++row) {
    std::copy(fill.begin(), fill.end(), soft_tokens.row(row));
  }
}

const MediaEncoder::Encoded* MediaEncoder::Find(const Medium& medium) const {
  for (const Encoded& encoded : encoded_) {
    if (encoded.medium == medium) return &encoded;
  }
  return nullptr;
}

Tensor MediaEncoder::EncodeImage(const Medium& medium) {
  Image decoded;
  if (medium.file != nullptr) decoded = medium.file->Load();
  model_.CheckEncoder(kVisionTensors);
  const Image& image = medium.file != nullptr ? decoded : *medium.image;
  const Tensor features = model_.vision->Encode({image.width, image.height, image.rgb},
                                                medium.image_size, model_.pool, vision_observer);
  const int64_t hidden = model_.config.text.hidden_size;
  Tensor soft_tokens({features.shape()[0], hidden});
  EmbedFeatures(*model_.weights.embedding.vision,
                {features.data(), features.shape()[0], features.shape()[1]},
                {soft_tokens.data(), features.shape()[0], hidden}, model_.pool);
  return soft_tokens;
}

// A clip always takes all its positions.
Tensor MediaEncoder::EncodeClip(const Medium& medium) {
  model_.CheckEncoder(kAudioTensors);
  const Tensor features = model_.audio->Encode(medium.clip->samples, model_.pool, audio_observer);
  const MultimodalEmbedder& embedder = *model_.weights.embedding.audio;
  const int64_t hidden = model_.config.text.hidden_size, rows = features.shape()[0];
  Tensor soft_tokens({model_.facts.audio_tokens, hidden});
  EmbedFeatures(embedder, {features.data(), rows, embedder.width()},
                {soft_tokens.data(), rows, hidden}, model_.pool);
  FillClip(model_, rows, soft_tokens);
  return soft_tokens;
}

void MediaEncoder::Know(const Medium& medium, std::shared_ptr<const Tensor> soft_tokens) {
  std::erase_if(encoded_, [&](const Encoded& encoded) { return encoded.medium == medium; });
  encoded_.push_back({medium, std::move(soft_tokens)});
}

void MediaEncoder::GiveBack(const char* encoder) {
  if (encoder == nullptr) return;
  model_.checkpoint->GiveBack(encoder);
  GiveBackFreedMemory();
}

bool MediaEncoder::Encode(const Prompt& prompt, const ProgressCallback& on_progress,
                          Timings& timings) {
  std::erase_if(encoded_, [&](const Encoded& encoded) {
    return std::find(prompt.media.begin(), prompt.media.end(), encoded.medium) ==
           prompt.media.end();
  });
  const int64_t total = static_cast<int64_t>(prompt.media.size());
  const char* used = nullptr;  // the encoder whose pages are in memory
  for (int64_t i = 0; i < total; ++i) {
    const Medium& medium = prompt.media[static_cast<size_t>(i)];
    if (Find(medium) != nullptr) continue;
    if (on_progress && !on_progress({"looking and listening", i, total})) {
      GiveBack(used);
      return false;
    }
    const Clock::time_point begin = Clock::now();
    const char* encoder = medium.clip == nullptr ? kVisionTensors : kAudioTensors;
    if (used != encoder) GiveBack(used);
    used = encoder;
    if (medium.clip == nullptr) {
      Know(medium, std::make_shared<const Tensor>(EncodeImage(medium)));
      timings.image_ms += MillisecondsSince(begin);
      timings.image_tokens += encoded_.back().soft_tokens->shape()[0];
      ++timings.images;
    } else {
      Know(medium, std::make_shared<const Tensor>(EncodeClip(medium)));
      timings.audio_ms += MillisecondsSince(begin);
      timings.audio_tokens += encoded_.back().soft_tokens->shape()[0];
      ++timings.clips;
    }
  }
  GiveBack(used);
  return !on_progress || total == 0 || on_progress({"looking and listening", total, total});
}

const float* MediaEncoder::SoftToken(const Medium& medium, int64_t row) const {
  const Encoded* encoded = Find(medium);
  CHECK(encoded != nullptr);
  return encoded->soft_tokens->row(row);
}

}  // namespace gemma3n
