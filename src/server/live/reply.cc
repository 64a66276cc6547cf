// SPDX-License-Identifier: Apache-2.0
#include "server/live/reply.h"

#include <algorithm>

#include "gemma3n/transcribe.h"
#include "server/languages.h"
#include "server/transcription.h"

namespace gemma3n::server {
namespace {

constexpr std::chrono::milliseconds kNow(0);
constexpr int64_t kMostTranscriptTokens = 1024;

}  // namespace

void Reply::Begin(Worker& worker, Ask ask, const Asker& asker, bool calls) {
  answering_ = nullptr;
  calls_.reset();
  if (calls) calls_.emplace();
  answering_ = worker.Submit({std::move(ask)}, asker);
}

std::vector<ToolEvent> Reply::Read(const std::string& text) {
  if (text.empty()) return {};
  if (calls_) return calls_->Push(text);
  return {{.kind = ToolEvent::Kind::kText, .text = text}};
}

std::optional<ReplyNews> Reply::Next() {
  if (!under_way()) return std::nullopt;
  std::optional<AnswerEvent> event = answering_->Next(kNow);
  if (!event) return std::nullopt;
  ReplyNews news{.events = Read(event->text), .result = std::move(event->result)};
  if (event->error != nullptr) news.failure = AsRefusal(event->error);
  if (!news.result && !news.failure) return news;
  if (calls_) {
    for (ToolEvent& one : calls_->Finish()) news.events.push_back(std::move(one));
  }
  answering_ = nullptr;
  return news;
}

void Transcripts::Add(const std::string& id, const Clips& clips, const Wish& wish) {
  const TranscribeOptions options{.language = LanguageNamed(wish.language).value_or("")};
  const std::string question = SpeechPrompt(options) + ContextHint(wish.prompt);
  Waiting waiting{.news = {.id = id, .clips = clips.size()}};
  for (const auto& clip : clips) {
    Part part("");
    part.content = clip;
    Ask ask{.turns = {{Role::kUser, {std::move(part), Part(question)}}}};
    ask.options.sampling.temperature = 0;
    ask.options.max_tokens = kMostTranscriptTokens;
    waiting.asks.push_back(std::move(ask));
  }
  waiting_.push_back(std::move(waiting));
}

TranscriptNews Transcripts::End(TranscriptNews news) {
  waiting_.pop_front();
  answering_ = nullptr;
  return news;
}

std::optional<TranscriptNews> Transcripts::Next() {
  if (waiting_.empty()) return std::nullopt;
  Waiting& first = waiting_.front();
  try {
    if (answering_ == nullptr) {
      answering_ = service_.worker.Submit({std::move(first.asks.front())}, asker_);
      first.asks.pop_front();
    }
    std::optional<AnswerEvent> event = answering_->Next(kNow);
    if (!event) return std::nullopt;
    if (event->error != nullptr) throw AsRefusal(event->error);
    return Take(std::move(*event));
  } catch (const Refusal& refusal) {
    return End({.id = first.news.id, .failure = refusal});
  }
}

// The texts of clips are one text, with a space between them.
std::optional<TranscriptNews> Transcripts::Take(AnswerEvent event) {
  Waiting& first = waiting_.front();
  TranscriptNews& news = first.news;
  news.text = event.text;
  if (first.begins && !event.text.empty()) {
    first.begins = false;
    if (!first.text.empty() && event.text.front() != ' ') news.text = " " + event.text;
  }
  first.text += news.text;
  if (!event.result) return news;
  first.begins = true;
  answering_ = nullptr;
  news.input_tokens += static_cast<int64_t>(event.result->prompt_token_ids.size());
  news.output_tokens += static_cast<int64_t>(event.result->token_ids.size());
  if (!first.asks.empty()) return news;
  news.whole = std::move(first.text);
  return End(std::move(news));
}

void Transcripts::Drop(const std::string& id) {
  if (!waiting_.empty() && waiting_.front().news.id == id) answering_ = nullptr;
  std::erase_if(waiting_, [&](const Waiting& one) { return one.news.id == id; });
}

}  // namespace gemma3n::server
