// SPDX-License-Identifier: Apache-2.0
// Pictures and clips -> soft tokens, keeping those of the conversation under way.
#pragma once

#include <deque>
#include <future>
#include <memory>
#include <optional>
#include <string>

#include "engine/prefix_cache.h"
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
  // The same call by call, for those who have other work in between: a medium in each, or, where it
  // is not `whole`, a piece of a fraction of a second.
  enum class Outcome { kMore, kDone, kCancelled };
  Outcome Advance(const Prompt& prompt, const ProgressCallback& on_progress, Timings& timings,
                  bool whole);
  // The soft token [hidden] of an item that belongs to a medium.
  const float* SoftToken(const Prompt& prompt, const Prompt::Item& item) const {
    return SoftToken(prompt.media[static_cast<size_t>(item.medium)].key, item.row);
  }
  const float* SoftToken(const MediumKey& medium, int64_t row) const;
  bool Has(const MediumKey& medium) const { return Find(medium) != nullptr; }
  // What was encoded of this owner's by others is taken from there, and kept there. May be null.
  void Share(std::shared_ptr<PrefixCacheOfEngine> cache, std::string owner);
  // What a medium of the next prompts is encoded to, [positions, hidden]: its rows may still change
  // where they are not read.
  void Know(const MediumKey& medium, std::shared_ptr<const Tensor> soft_tokens);

  // Observers for one call of Encode; may be empty.
  VisionObserver vision_observer;
  AudioObserver audio_observer;

 private:
  struct Encoded {
    MediumKey medium;
    std::shared_ptr<const Tensor> soft_tokens;  // [positions, hidden]
  };
  // A medium that is being encoded.
  struct Work {
    Medium medium;
    std::future<Image> decoded = {};         // where the medium is a file
    std::optional<VisionPass> picture = {};  // one of the two, once there are pixels
    std::optional<AudioStream> clip = {};
    size_t heard = 0;         // samples of the clip
    Tensor features = {};     // of the picture
    std::vector<float> rows;  // features of what was heard
    double ms = 0;
  };
  const Encoded* Find(const MediumKey& medium) const;
  // The place of the first medium that must be encoded; their number: none.
  size_t FindNew(const Prompt& prompt);
  void Begin(const Medium& medium);
  void StartOn(const Image& image, Work& work);
  // Whether there are pixels, or samples, to go on with.
  bool IsDecoded(bool whole);
  // The next piece, or all that is left; whether there is more.
  bool Look(bool whole);
  bool Listen(bool whole);
  Tensor PictureTokens(const Tensor& features);
  Tensor ClipTokens(const Tensor& features);
  void Finish(Timings& timings);
  // After the work of the encoder that was used: its weights are not read for text, and its buffers
  // are the largest of all.
  void GiveBack();

  LoadedModel& model_;
  std::shared_ptr<PrefixCacheOfEngine> cache_;
  std::string owner_;
  std::deque<Encoded> encoded_;
  std::optional<Work> work_;
  const char* used_ = nullptr;  // the encoder whose pages are in memory
};

// The rows of a clip from this one on, behind its last token: they hold the embedding of the last
// id of the audio table, as in the reference.
void FillClip(LoadedModel& model, int64_t from_row, Tensor& soft_tokens);

}  // namespace gemma3n
