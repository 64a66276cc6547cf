// SPDX-License-Identifier: Apache-2.0
// Log-probabilities of tokens -> JSON as chats and as completions have it.
#pragma once

#include <deque>
#include <mutex>
#include <span>
#include <vector>

#include "gemma3n/engine.h"
#include "server/json.h"

namespace gemma3n::server {

// What the engine's thread tells of each token, until its text is sent.
class LogprobQueue {
 public:
  void Push(const TokenLogprob& token);
  // So many bytes of text more have come.
  void Grant(size_t bytes);
  // The tokens that are whole in the text that has come; `all`: those that are left, too.
  std::vector<TokenLogprob> Take(const Engine& engine, bool all);
  // The first ones, whatever text has come: those of a prompt.
  std::vector<TokenLogprob> TakeFirst(size_t count);

 private:
  std::mutex mutex_;
  std::deque<TokenLogprob> tokens_;
  size_t room_ = 0;  // bytes of text beyond those of the tokens that were taken
};

// [{"token", "logprob", "bytes", "top_logprobs"}, ...].
Json TokenListJson(const Engine& engine, std::span<const TokenLogprob> tokens);
// {"content", "refusal"}.
Json ChatLogprobsJson(const Engine& engine, std::span<const TokenLogprob> tokens);

// {"tokens", "token_logprobs", "top_logprobs", "text_offset"} of a completion, piece by piece.
class CompletionLogprobs {
 public:
  explicit CompletionLogprobs(const Engine& engine, int64_t offset = 0)
      : engine_(engine), offset_(offset) {}
  // `first`: nothing comes before the token, which has no probability therefore.
  void Add(const TokenLogprob& token, bool first = false);
  Json Take();  // what came since the last time; offsets go on

 private:
  struct Entry {
    TokenLogprob token;
    bool first;
  };
  const Engine& engine_;
  int64_t offset_;  // in characters
  std::vector<Entry> entries_;
};

}  // namespace gemma3n::server
