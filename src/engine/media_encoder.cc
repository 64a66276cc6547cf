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

const MediaEncoder::Encoded* MediaEncoder::Find(const MediumKey& medium) const {
  for (const Encoded& encoded : encoded_) {
    if (encoded.medium == medium) return &encoded;
  }
  return nullptr;
}

void MediaEncoder::Know(const MediumKey& medium, std::shared_ptr<const Tensor> soft_tokens) {
  std::erase_if(encoded_, [&](const Encoded& encoded) { return encoded.medium == medium; });
  encoded_.push_back({medium, std::move(soft_tokens)});
}

void MediaEncoder::Share(std::shared_ptr<PrefixCacheOfEngine> cache, std::string owner) {
  if (owner != owner_) {
    encoded_.clear();
    work_.reset();
  }
  cache_ = std::move(cache);
  owner_ = std::move(owner);
}

void MediaEncoder::GiveBack() {
  if (used_ == nullptr) return;
  model_.checkpoint->GiveBack(used_);
  GiveBackFreedMemory();
  used_ = nullptr;
}

bool MediaEncoder::Encode(const Prompt& prompt, const ProgressCallback& on_progress,
                          Timings& timings) {
  Outcome outcome = Outcome::kMore;
  while (outcome == Outcome::kMore) outcome = Advance(prompt, on_progress, timings, true);
  return outcome == Outcome::kDone;
}

MediaEncoder::Outcome MediaEncoder::Advance(const Prompt& prompt,
                                            const ProgressCallback& on_progress, Timings& timings,
                                            bool whole) {
  const size_t total = prompt.media.size(), next = FindNew(prompt);
  if (work_ && (next == total || !(prompt.media[next].key == work_->medium.key))) work_.reset();
  const bool silent = total == 0 || (whole && work_);  // between the pieces of one medium
  const bool goes_on = !on_progress || silent ||
                       on_progress({"looking and listening", static_cast<int64_t>(next),
                                    static_cast<int64_t>(total)});
  if (next == total || !goes_on) {
    work_.reset();
    GiveBack();
    return goes_on ? Outcome::kDone : Outcome::kCancelled;
  }
  const Clock::time_point begin = Clock::now();
  if (!work_) {
    Begin(prompt.media[next]);
    work_->ms += MillisecondsSince(begin);
    return Outcome::kMore;
  }
  const bool more = !IsDecoded(whole) || (work_->picture ? Look(whole) : Listen(whole));
  work_->ms += MillisecondsSince(begin);
  if (!more) Finish(timings);
  return Outcome::kMore;
}

size_t MediaEncoder::FindNew(const Prompt& prompt) {
  std::erase_if(encoded_, [&](const Encoded& encoded) {
    return std::none_of(prompt.media.begin(), prompt.media.end(),
                        [&](const Medium& medium) { return medium.key == encoded.medium; });
  });
  size_t at = 0;
  for (; at < prompt.media.size(); ++at) {
    const Medium& medium = prompt.media[at];
    if (Has(medium.key)) continue;
    const auto shared = cache_ == nullptr ? nullptr : cache_->FindMedium(owner_, medium.key);
    if (shared == nullptr) break;
    Know(medium.key, shared);
  }
  return at;
}

void MediaEncoder::Begin(const Medium& medium) {
  const char* const encoder = medium.clip == nullptr ? kVisionTensors : kAudioTensors;
  if (used_ != encoder) GiveBack();
  used_ = encoder;
  model_.CheckEncoder(encoder);
  Work work{.medium = medium};
  if (medium.image != nullptr) StartOn(*medium.image, work);
  // Beside the steps of others: a large picture takes a second.
  if (medium.file != nullptr) {
    work.decoded = std::async(std::launch::async,
                              [file = medium.file, owner = medium.owner] { return file->Load(); });
  }
  work_.emplace(std::move(work));
}

void MediaEncoder::StartOn(const Image& image, Work& work) {
  work.picture.emplace(model_.vision->Begin({image.width, image.height, image.rgb},
                                            work.medium.image_size, vision_observer));
}

bool MediaEncoder::IsDecoded(bool whole) {
  if (!work_->decoded.valid()) return true;
  constexpr std::chrono::milliseconds kMoment(20);
  if (!whole && work_->decoded.wait_for(kMoment) != std::future_status::ready) return false;
  Work work = std::move(*work_);
  work_.reset();  // nothing is under way where this fails
  StartOn(work.decoded.get(), work);
  work_.emplace(std::move(work));
  return true;
}

bool MediaEncoder::Look(bool whole) {
  VisionPass& picture = *work_->picture;
  bool more = picture.Advance(model_.pool, vision_observer);
  while (whole && more) more = picture.Advance(model_.pool, vision_observer);
  if (!more) work_->features = picture.TakeFeatures();
  return more;
}

bool MediaEncoder::Listen(bool whole) {
  // About a tenth of a second's work where thirty seconds of sound are heard in two.
  constexpr size_t kPieceSeconds = 2;
  const AudioEncoder& encoder = *model_.audio;
  const std::span<const float> samples = work_->medium.clip->samples;
  if (whole && !work_->clip) {
    work_->features = encoder.Encode(samples, model_.pool, audio_observer);
    return false;
  }
  if (!work_->clip) work_->clip.emplace(encoder.Stream(AudioStream::kMostTokens));
  const size_t most =
      whole ? samples.size() : kPieceSeconds * static_cast<size_t>(encoder.sampling_rate_hz());
  const auto piece = samples.subspan(work_->heard, std::min(most, samples.size() - work_->heard));
  work_->heard += piece.size();
  const bool more = work_->heard < samples.size();
  const Tensor rows =
      more ? work_->clip->Push(piece, model_.pool) : work_->clip->Finish(piece, model_.pool);
  work_->rows.insert(work_->rows.end(), rows.span().begin(), rows.span().end());
  if (more) return true;
  const int64_t width = encoder.hidden_size();
  work_->features = Tensor({static_cast<int64_t>(work_->rows.size()) / width, width});
  std::copy(work_->rows.begin(), work_->rows.end(), work_->features.data());
  return false;
}

Tensor MediaEncoder::PictureTokens(const Tensor& features) {
  const int64_t hidden = model_.config.text.hidden_size;
  Tensor soft_tokens({features.shape()[0], hidden});
  EmbedFeatures(*model_.weights.embedding.vision,
                {features.data(), features.shape()[0], features.shape()[1]},
                {soft_tokens.data(), features.shape()[0], hidden}, model_.pool);
  return soft_tokens;
}

// A clip always takes all its positions.
Tensor MediaEncoder::ClipTokens(const Tensor& features) {
  const MultimodalEmbedder& embedder = *model_.weights.embedding.audio;
  const int64_t hidden = model_.config.text.hidden_size, rows = features.shape()[0];
  Tensor soft_tokens({model_.facts.audio_tokens, hidden});
  EmbedFeatures(embedder, {features.data(), rows, embedder.width()},
                {soft_tokens.data(), rows, hidden}, model_.pool);
  FillClip(model_, rows, soft_tokens);
  return soft_tokens;
}

void MediaEncoder::Finish(Timings& timings) {
  const Clock::time_point begin = Clock::now();
  const Work work = std::move(*work_);
  work_.reset();
  const bool seen = work.medium.is_picture();
  const auto soft_tokens = std::make_shared<const Tensor>(seen ? PictureTokens(work.features)
                                                               : ClipTokens(work.features));
  Know(work.medium.key, soft_tokens);
  if (cache_ != nullptr) cache_->KeepMedium(owner_, work.medium.key, soft_tokens);
  const double ms = work.ms + MillisecondsSince(begin);
  (seen ? timings.image_ms : timings.audio_ms) += ms;
  (seen ? timings.image_tokens : timings.audio_tokens) += soft_tokens->shape()[0];
  ++(seen ? timings.images : timings.clips);
}

const float* MediaEncoder::SoftToken(const MediumKey& medium, int64_t row) const {
  const Encoded* encoded = Find(medium);
  CHECK(encoded != nullptr);
  return encoded->soft_tokens->row(row);
}

}  // namespace gemma3n
