// SPDX-License-Identifier: Apache-2.0
// Pictures, sounds and films that come inside of requests, as text.
#pragma once

#include <atomic>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>
#include <span>
#include <string>

#include "gemma3n/content.h"
#include "gemma3n/engine.h"
#include "gemma3n/server.h"
#include "server/spool.h"

namespace gemma3n::server {

// Safe to use from several threads. What was read stays for a while, since a conversation that goes
// on sends its media again; the engine knows them by their ids also when they are decoded anew.
// Pictures stay as their bytes. The memory of all that is in use and of what stays is bounded.
class MediaReader {
 public:
  MediaReader(const ModelFacts& facts, const ServerLimits& limits);

  enum class Kind { kPicture, kSound, kFilm };
  // `text`: "data:image/png;base64,..." or, where `bare` allows it, base64 alone. What is kept of
  // one owner is not shared with another. Throws Refusal (kUnsupportedValue for what this model
  // does not take and for addresses, kInvalidImage, kInvalidAudio, kInvalidVideo, kBusy while media
  // of other requests take all the memory there is for them). `goes_on` is asked while it takes
  // long: whoever waits for it may leave.
  using GoesOn = std::function<bool()>;
  Part Read(Kind kind, const std::string& text, bool bare, const std::string& param,
            const std::string& owner, const VideoOptions& video = {},
            const GoesOn& goes_on = nullptr);
  // The same of the bytes of a file, whatever they are; also throws (kUnsupportedValue) for none of
  // these.
  Part ReadFile(const Spool& file, const std::string& param, const std::string& owner,
                const VideoOptions& video = {}, const GoesOn& goes_on = nullptr);
  // What the bytes of such a text are. Throws Refusal (kUnsupportedValue) for none of these.
  Kind KindOf(const std::string& text, const std::string& param) const;
  // The memory that a medium takes; of a text its bytes.
  static size_t BytesOf(const Part& part);
  static size_t BytesOf(std::span<const Turn> turns);

 private:
  struct Kept {
    std::string owner;
    Part part;
    size_t bytes;
  };
  std::optional<Part> Find(const std::string& owner, const ContentId& id);
  void Keep(const std::string& owner, const Part& part);
  // Counts the medium's bytes for as long as anybody has it.
  template <class T>
  std::shared_ptr<const T> Count(T medium);
  void CheckTaken(Kind kind, const std::string& param) const;
  // From what is kept, or decoded and kept.
  Part ReadBytes(Kind kind, std::span<const uint8_t> bytes, const std::string& param,
                 const std::string& owner, const VideoOptions& video, const GoesOn& goes_on);
  Part Decode(Kind kind, std::span<const uint8_t> bytes, const VideoOptions& video,
              const std::string& param, const GoesOn& goes_on);

  const ModelFacts& facts_;
  MediaOptions options_;
  const uint64_t most_held_bytes_;
  // Decoding takes up to half a gigabyte for one picture.
  std::counting_semaphore<> decoders_{2};
  // Of all media that anybody has, whom they may outlive.
  const std::shared_ptr<std::atomic<uint64_t>> held_bytes_ =
      std::make_shared<std::atomic<uint64_t>>(0);
  std::mutex mutex_;
  std::list<Kept> kept_;  // used last first
  size_t kept_bytes_ = 0;
};

}  // namespace gemma3n::server
