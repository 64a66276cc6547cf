// SPDX-License-Identifier: Apache-2.0
// What the requests of all dialects come to, and how their common parts are read.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "gemma3n/sound_stream.h"
#include "server/chat.h"
#include "server/json.h"
#include "server/refusal.h"

namespace gemma3n::server {

constexpr size_t kMostMessages = 4096, kMostParts = 512, kMostPictures = 64, kMostChoices = 8;
constexpr int64_t kMostTopLogprobs = 20;

struct Call {
  std::vector<Ask> asks;
  std::string model;  // as it was asked for
  bool stream = false;
  size_t choices_per_prompt = 1;
  int64_t pictures = 0, clips = 0;   // in the prompt
  std::vector<std::string> ignored;  // fields that we do not know
};

// Throws Refusal (kUnsupportedValue): what the field asks for would change the answer.
[[noreturn]] void CannotDo(const Field& field, const std::string& what);
// Throws Refusal (kInvalidValue): "PATH: expected WHAT".
[[noreturn]] void Expected(const Field& field, const std::string& what);

// A text or up to 16; each of 1 to 256 bytes.
std::vector<std::string> ReadStops(const Field& field);
// Token ids, as keys, and what is added to their logits.
std::map<int32_t, double> ReadBiases(const Field& field, int64_t vocab_size);

// The asks of one prompt: the same, laid out once, with other seeds.
void AddChoices(Ask& ask, const Service& service, Call& call);

// Reads the media of one call in the order of its parts and counts them.
class MediaParts {
 public:
  MediaParts(const Service& service, std::string owner, Call& call)
      : service_(service), owner_(std::move(owner)), call_(call) {}

  // Data URIs; a sound's, and with `bare` a picture's, may be base64 alone. Each throws what
  // MediaReader::Read throws, and Refusal (kInvalidValue) past 64 pictures and frames (kTooLarge)
  // and past the memory that a request's media may take.
  Part Picture(const Field& uri, bool bare = false);
  Part Sound(const Field& uri);
  Part Film(const Field& uri, const VideoOptions& video, bool bare = false);
  // Samples without a header, in base64: as many clips as it takes to hear all of them. Throws
  // Refusal (kUnsupportedValue, kInvalidAudio).
  std::vector<Part> RawClips(const Field& data, const RawSound& raw);
  // Any of the three, as its bytes say.
  Part Any(const Field& uri, const VideoOptions& video = {});
  // The same of a file that the call's owner has left here; `field` names it. Throws also Refusal
  // (kNotFound).
  Part File(const Field& field, const std::string& id, const VideoOptions& video = {});
  // Throws Refusal (kInvalidValue) past the 512 parts of a call.
  void CountPart(const Field& part);

 private:
  void CountFilm(const VideoClip& film, const Field& field);
  void CountPictures(int64_t count, const Field& field);
  // Of what has been read; throws Refusal (kTooLarge) past what one request may hold.
  Part CountBytes(Part part, const Field& field);

  const Service& service_;
  const std::string owner_;
  Call& call_;
  size_t parts_ = 0;
  uint64_t bytes_ = 0;
};

// The prefix and 24 letters and digits, other ones each time; not to be guessed from earlier ones.
std::string NewId(const std::string& prefix);

// The names of fields that were left alone, as the header x-gemma3n-ignored tells them; counts
// them.
Headers IgnoredHeader(const std::vector<std::string>& names);
// How many it has counted.
uint64_t CountUnknownFields();

}  // namespace gemma3n::server
