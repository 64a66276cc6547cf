// SPDX-License-Identifier: Apache-2.0
#include "engine/media_encoder.h"

#include <algorithm>
#include <chrono>

#include "base/free_memory.h"
#include "model/soft_tokens.h"

namespace gemma3n {
namespace {

using Clock = std::chrono::steady_clock;

double MillisecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

}  // namespace

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

// A clip always takes all its positions: those beyond its end hold the embedding of the last id of
// the audio table, as in the reference.
Tensor MediaEncoder::EncodeClip(const Medium& medium) {
  model_.CheckEncoder(kAudioTensors);
  const Tensor features = model_.audio->Encode(medium.clip->samples, model_.pool, audio_observer);
  const MultimodalEmbedder& embedder = *model_.weights.embedding.audio;
  const int64_t hidden = model_.config.text.hidden_size, rows = features.shape()[0];
  Tensor soft_tokens({model_.facts.audio_tokens, hidden});
  EmbedFeatures(embedder, {features.data(), rows, embedder.width()},
                {soft_tokens.data(), rows, hidden}, model_.pool);
  if (rows < model_.facts.audio_tokens) {
    std::vector<float> scratch(static_cast<size_t>(embedder.width()));
    const int32_t filler = embedder.vocab_offset + static_cast<int32_t>(embedder.vocab_size()) - 1;
    std::vector<float> fill(static_cast<size_t>(hidden));
    EmbedModalityId(embedder, filler, scratch, fill, model_.pool);
    for (int64_t row = rows; row < model_.facts.audio_tokens; ++row) {
      std::copy(fill.begin(), fill.end(), soft_tokens.row(row));
    }
  }
  return soft_tokens;
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
      encoded_.push_back({medium, EncodeImage(medium)});
      timings.image_ms += MillisecondsSince(begin);
      timings.image_tokens += encoded_.back().soft_tokens.shape()[0];
      ++timings.images;
    } else {
      encoded_.push_back({medium, EncodeClip(medium)});
      timings.audio_ms += MillisecondsSince(begin);
      timings.audio_tokens += encoded_.back().soft_tokens.shape()[0];
      ++timings.clips;
    }
  }
  GiveBack(used);
  return !on_progress || total == 0 || on_progress({"looking and listening", total, total});
}

const float* MediaEncoder::SoftToken(const Medium& medium, int64_t row) const {
  const Encoded* encoded = Find(medium);
  CHECK(encoded != nullptr);
  return encoded->soft_tokens.row(row);
}

}  // namespace gemma3n
