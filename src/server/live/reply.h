// SPDX-License-Identifier: Apache-2.0
// The answer of a live session that is under way, of which there is one at most, and what is heard
// written down beside it. Neither waits: whoever has them looks from time to time.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "server/chat.h"
#include "server/live/ear.h"
#include "server/refusal.h"
#include "server/tool_call_reader.h"

namespace gemma3n::server {

struct ReplyNews {
  std::vector<ToolEvent> events;         // its text, or the calls in it
  std::optional<GenerateResult> result;  // at its end
  std::optional<Refusal> failure;        // instead
};

class Reply {
 public:
  // `calls`: it may be calls of functions. Throws what Worker::Submit throws.
  void Begin(Worker& worker, Ask ask, const Asker& asker, bool calls);
  bool under_way() const { return answering_ != nullptr; }
  // Nothing where there is no news.
  std::optional<ReplyNews> Next();
  // Nothing more comes of it.
  void Cancel() { answering_ = nullptr; }

 private:
  std::vector<ToolEvent> Read(const std::string& text);

  std::shared_ptr<Answering> answering_;
  std::optional<ToolCallReader> calls_;
};

struct TranscriptNews {
  std::string id;
  std::string text = "";                            // what follows
  std::optional<std::string> whole = std::nullopt;  // at its end
  std::optional<Refusal> failure = std::nullopt;    // instead
  int64_t input_tokens = 0, output_tokens = 0;      // at its end
  size_t clips = 0;
};

// One after another, in the order they came. Whoever adds some asks before whether it is full.
class Transcripts {
 public:
  Transcripts(const Service& service, const Asker& asker) : service_(service), asker_(asker) {}

  struct Wish {
    std::string language;  // as LanguageNamed takes it; empty: as heard
    std::string prompt;    // what it is about, behind the usual question; empty: nothing
  };
  // `id`: what the clips are of.
  void Add(const std::string& id, const Clips& clips, const Wish& wish);
  bool under_way() const { return !waiting_.empty(); }
  bool is_full() const { return waiting_.size() >= kMostWaiting; }
  std::optional<TranscriptNews> Next();
  void Drop(const std::string& id);  // nothing more comes of it

 private:
  struct Waiting {
    TranscriptNews news;    // what has come of it
    std::deque<Ask> asks;   // of its clips that are not asked about yet
    std::string text = "";  // what is written down so far
    bool begins = true;     // the text of a clip
  };
  static constexpr size_t kMostWaiting = 32;
  std::optional<TranscriptNews> Take(AnswerEvent event);
  TranscriptNews End(TranscriptNews news);

  const Service& service_;
  const Asker asker_;
  std::deque<Waiting> waiting_;           // the first is under way
  std::shared_ptr<Answering> answering_;  // about a clip of it
};

}  // namespace gemma3n::server
