// SPDX-License-Identifier: Apache-2.0
// For the tests of this room: an engine that sees and hears nothing, answers what it is told to,
// and keeps what it was asked. A word is a token; so is each row of a picture or clip.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "tiny/silent_engine.h"

namespace gemma3n {

// One call of Generate.
struct Asked {
  std::vector<std::string> texts;  // of all turns, one after another
  std::vector<double> frame_times;
  std::vector<size_t> clips;  // samples of each
  int64_t pictures = 0;
  GenerateOptions options;
  const std::string& question() const { return texts.back(); }
};

class ToldEngine : public SilentEngine {
 public:
  // The answer to a question; "yes" and "no" alike, with these probabilities.
  using Answers = std::function<std::string(const Asked&)>;

  explicit ToldEngine(Answers answers) : answers_(std::move(answers)) {
    facts_.sees = facts_.hears = true;
    facts_.max_context = 4096;
    facts_.image_tokens = 10;
    facts_.audio_tokens = 5;
    facts_.max_clip_seconds = 3;
  }
  std::vector<Asked> asked;
  double yes = 0.5;  // probability of "yes" where an answer's probabilities are asked for

  std::unique_ptr<Session> NewSession(int64_t context) override;
  std::vector<int32_t> Tokenize(const std::string& text, bool, bool) const override {
    std::vector<int32_t> ids;
    std::istringstream words(text);
    for (std::string word; words >> word;) {
      ids.push_back(ids_.try_emplace(word, static_cast<int32_t>(ids_.size())).first->second);
    }
    return ids;
  }
  std::vector<int32_t> PromptIds(const std::vector<Turn>& turns, const GenerateOptions&) override {
    const Asked read = Read(turns);
    std::vector<int32_t> ids;
    for (const std::string& text : read.texts) {
      for (int32_t id : Tokenize(text, false, false)) ids.push_back(id);
    }
    ids.resize(ids.size() + static_cast<size_t>(read.pictures * facts_.image_tokens) +
               read.clips.size() * static_cast<size_t>(facts_.audio_tokens));
    return ids;
  }

  GenerateResult Answer(const std::vector<Turn>& turns, const GenerateOptions& options) {
    asked.push_back(Read(turns));
    asked.back().options = options;
    GenerateResult result;
    if (options.top_logprobs >= 0) {
      result.token_ids = {Tokenize("yes", false, false)[0]};
      result.logprobs = {{result.token_ids[0],
                          std::log(yes),
                          {{result.token_ids[0], std::log(yes)},
                           {Tokenize("no", false, false)[0], std::log(1 - yes)}}}};
    } else {
      result.text = answers_(asked.back());
    }
    return result;
  }

 private:
  static Asked Read(const std::vector<Turn>& turns) {
    Asked read;
    for (const Turn& turn : turns) {
      for (const Part& part : turn.parts) {
        if (const auto* text = std::get_if<std::string>(&part.content)) {
          read.texts.push_back(*text);
        } else if (const auto* film =
                       std::get_if<std::shared_ptr<const VideoClip>>(&part.content)) {
          for (const VideoFrame& frame : (*film)->frames) {
            read.frame_times.push_back(frame.time_s);
            ++read.pictures;
          }
          if (!(*film)->audio.samples.empty()) read.clips.push_back((*film)->audio.samples.size());
        } else if (const auto* clip =
                       std::get_if<std::shared_ptr<const AudioClip>>(&part.content)) {
          read.clips.push_back((*clip)->samples.size());
        } else {
          ++read.pictures;
        }
      }
    }
    return read;
  }

  Answers answers_;
  mutable std::map<std::string, int32_t> ids_;
};

class ToldSession : public SilentSession {
 public:
  ToldSession(ToldEngine& engine, int64_t context) : SilentSession(context), engine_(engine) {}
  GenerateResult Generate(const std::vector<Turn>& turns, const GenerateOptions& options,
                          const TextCallback& on_text, const ProgressCallback&) override {
    GenerateResult result = engine_.Answer(turns, options);
    // Of a picture that it has seen before, the soft tokens are still there.
    const void* picture = nullptr;
    for (const Turn& turn : turns) {
      for (const Part& part : turn.parts) {
        const auto* seen = std::get_if<std::shared_ptr<const Image>>(&part.content);
        if (seen != nullptr) picture = seen->get();
      }
    }
    result.timings.images = picture != nullptr && picture != last_picture_ ? 1 : 0;
    last_picture_ = picture;
    if (on_text && !on_text(result.text)) result.finish_reason = FinishReason::kCancelled;
    return result;
  }

 private:
  ToldEngine& engine_;
  const void* last_picture_ = nullptr;
};

inline std::unique_ptr<Session> ToldEngine::NewSession(int64_t context) {
  return std::make_unique<ToldSession>(*this, context);
}

}  // namespace gemma3n
