// SPDX-License-Identifier: Apache-2.0
// Pictures that come one after another (gemma3n/picture_stream.h) -> a question answered about
// those that are due and differ from the one before. docs/vision.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "gemma3n/engine.h"
#include "gemma3n/media.h"

namespace gemma3n {

struct WatchOptions {
  std::string system;    // before each conversation; may be empty
  std::string question;  // what to ask about each picture; empty only where there is a condition
  // What is waited for; empty: nothing. It is asked with until_prompt, in which {condition}, {yes}
  // and {no} are filled in, and holds where `yes` is likelier than `no` by more than
  // least_probability says: by the probabilities of the words, not by what would be sampled.
  std::string condition;
  std::string until_prompt = "Is this true of the picture: {condition}\nAnswer {yes} or {no}.";
  std::string yes = "yes", no = "no";
  double least_probability = 0.5;  // [0, 1)
  double every_s = 2;              // from one picture that is looked at to the next, by their times
  double least_change = 0.02;  // PictureChange to the last one asked about, from which one is new
  int64_t context = 0;         // positions to use at most; 0: as many as the model was made for
  GenerateOptions generate;    // sampling: unset temperature is 0 here
};

// What was seen in one picture.
struct Sighting {
  double time_s = 0;
  double change = 1;  // to the last picture asked about, [0, 1]; of the first one 1
  bool same = false;  // too little: nothing was computed, and what follows is of that picture
  std::string text;   // the answer; without a question the likelier of `yes` and `no`
  bool news = false;  // the text is not that of the sighting before
  std::optional<double> probability;  // of the condition; nothing where the model says neither word
  bool holds = false;
  double encode_ms = 0, whole_ms = 0;  // of the picture alone; with the answers
};

struct WatchCounts {
  int64_t looked_at = 0, same = 0, encoded = 0, answered = 0;
  double encode_ms = 0, whole_ms = 0;  // of those encoded
};

// Not safe to use from two threads at once, nor beside other sessions of the engine at the same
// time.
class Watcher {
 public:
  // Throws Error (kUsage, kRequest) for options out of range and a model that does not see.
  static std::unique_ptr<Watcher> New(std::shared_ptr<Engine> engine, const WatchOptions& options);
  virtual ~Watcher() = default;

  // Whether a picture of this time is to be looked at.
  virtual bool IsDue(double time_s) const = 0;
  // `on_text`: the answer as it comes, also empty; false ends it, and nothing is returned. Throws
  // what Session::Generate does.
  virtual std::optional<Sighting> Look(VideoFrame frame, const TextCallback& on_text = nullptr) = 0;
  virtual WatchCounts counts() const = 0;
};

}  // namespace gemma3n
