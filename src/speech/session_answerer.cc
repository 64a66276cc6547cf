// SPDX-License-Identifier: Apache-2.0
#include "speech/session_answerer.h"

#include <algorithm>
#include <string>
#include <utility>

#include "gemma3n/error.h"

namespace gemma3n {
namespace {

constexpr int64_t kPromptTokens = 256;  // about what a question takes beside the sound
constexpr int64_t kTogether = 8;        // where it is ours to say: docs/benchmarks.md
constexpr int64_t kMostTogether = 64;

int64_t ContextFor(const Engine& engine, const TranscribeOptions& options) {
  const ModelFacts& facts = engine.facts();
  const auto asked = engine.Tokenize(options.system + options.prompt, false, false);
  return std::min(facts.max_context, facts.audio_tokens + kPromptTokens +
                                         static_cast<int64_t>(asked.size()) +
                                         options.generate.max_tokens);
}

// Answers that have their steps to themselves (gemma3n/batch.h) gain nothing.
bool SharesSteps(const GenerateOptions& generate) {
  return generate.speculation == Speculation::kOff && !generate.elastic;
}

// One for each piece that is answered at once.
std::vector<std::unique_ptr<Session>> NewSessions(Engine& engine,
                                                  const TranscribeOptions& options) {
  if (options.together < 0 || options.together > kMostTogether) {
    throw Error(ErrorKind::kUsage, "pieces answered at once: expected 0 to " +
                                       std::to_string(kMostTogether) + ", found " +
                                       std::to_string(options.together));
  }
  if (options.live && options.together > 1) {
    throw Error(ErrorKind::kUsage, "pieces answered at once: not together with live sound");
  }
  const int64_t ours = !options.live && SharesSteps(options.generate) ? kTogether : 1;
  const size_t wanted = static_cast<size_t>(options.together == 0 ? ours : options.together);
  std::vector<std::unique_ptr<Session>> sessions;
  while (sessions.size() < wanted) {
    try {
      sessions.push_back(engine.NewSession(ContextFor(engine, options)));
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kResources || options.together != 0 || sessions.empty()) throw;
      break;
    }
  }
  return sessions;
}

}  // namespace

SessionAnswerer::SessionAnswerer(Engine& engine, const TranscribeOptions& options)
    : sessions_(NewSessions(engine, options)), batch_(Batch::New({.reading_positions = 0})) {
  for (const auto& session : sessions_) free_.push_back(session.get());
}

void SessionAnswerer::Add(BatchRequest request) {
  Session* const session = free_.back();
  request.on_done = [this, session, on_done = std::move(request.on_done)](
                        GenerateResult result, std::exception_ptr error) {
    free_.push_back(session);
    on_done(std::move(result), error);
  };
  free_.pop_back();
  try {
    batch_->Add(*session, std::move(request));
  } catch (...) {
    free_.push_back(session);
    throw;
  }
}

}  // namespace gemma3n
