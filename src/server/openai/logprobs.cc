// SPDX-License-Identifier: Apache-2.0
#include "server/openai/logprobs.h"

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <nlohmann/json.hpp>
#include <utility>

#include "server/chat.h"

namespace gemma3n::server {
namespace {

constexpr double kLeastLogprob = -9999;  // JSON has no infinity; this is OpenAI's

Json BytesJson(const std::string& text) {
  Json bytes = Json::array();
  for (const char c : text) bytes.push_back(static_cast<unsigned char>(c));
  return bytes;
}

Json TokenJson(const Engine& engine, int32_t id, double logprob) {
  const std::string text = TokenBytes(engine, id);
  return {
      {"token", text}, {"logprob", std::max(logprob, kLeastLogprob)}, {"bytes", BytesJson(text)}};
}

// A name that no other token has, also where the token is a part of a character.
std::string TokenName(const std::string& bytes) {
  if (bytes.size() != 1 || (bytes[0] & 0x80) == 0) return bytes;
  char name[16];
  std::snprintf(name, sizeof(name), "bytes:\\x%02x", static_cast<unsigned char>(bytes[0]));
  return name;
}

int64_t CountCharacters(const std::string& text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xC0) != 0x80; });
}

// Of the text that an answer gets by it: none by a control token.
size_t TextBytes(const Engine& engine, int32_t id) {
  const std::vector<int32_t> one = {id};
  return engine.Detokenize(one, /*skip_control_tokens=*/true).empty()
             ? 0
             : TokenBytes(engine, id).size();
}

}  // namespace

void LogprobQueue::Push(const TokenLogprob& token) {
  const std::lock_guard lock(mutex_);
  tokens_.push_back(token);
}

void LogprobQueue::Grant(size_t bytes) {
  const std::lock_guard lock(mutex_);
  room_ += bytes;
}

std::vector<TokenLogprob> LogprobQueue::Take(const Engine& engine, bool all) {
  const std::lock_guard lock(mutex_);
  std::vector<TokenLogprob> taken;
  while (!tokens_.empty()) {
    const size_t needed = TextBytes(engine, tokens_.front().id);
    if (!all && needed > room_) break;
    room_ -= std::min(room_, needed);
    taken.push_back(std::move(tokens_.front()));
    tokens_.pop_front();
  }
  return taken;
}

std::vector<TokenLogprob> LogprobQueue::TakeFirst(size_t count) {
  const std::lock_guard lock(mutex_);
  const auto end = tokens_.begin() + static_cast<std::ptrdiff_t>(std::min(count, tokens_.size()));
  std::vector<TokenLogprob> taken(std::make_move_iterator(tokens_.begin()),
                                  std::make_move_iterator(end));
  tokens_.erase(tokens_.begin(), end);
  return taken;
}

Json TokenListJson(const Engine& engine, std::span<const TokenLogprob> tokens) {
  Json list = Json::array();
  for (const TokenLogprob& token : tokens) {
    Json entry = TokenJson(engine, token.id, token.logprob);
    entry["top_logprobs"] = Json::array();
    for (const auto& [id, logprob] : token.likeliest) {
      entry["top_logprobs"].push_back(TokenJson(engine, id, logprob));
    }
    list.push_back(std::move(entry));
  }
  return list;
}

Json ChatLogprobsJson(const Engine& engine, std::span<const TokenLogprob> tokens) {
  return {{"content", TokenListJson(engine, tokens)}, {"refusal", nullptr}};
}

void CompletionLogprobs::Add(const TokenLogprob& token, bool first) {
  entries_.push_back({token, first});
}

Json CompletionLogprobs::Take() {
  Json tokens = Json::array(), logprobs = Json::array(), tops = Json::array();
  Json offsets = Json::array();
  for (const auto& [token, first] : std::exchange(entries_, {})) {
    const std::string text = TokenBytes(engine_, token.id);
    tokens.push_back(text);
    logprobs.push_back(first ? Json(nullptr) : Json(std::max(token.logprob, kLeastLogprob)));
    Json top = first ? Json(nullptr) : Json::object();
    for (const auto& [id, logprob] : token.likeliest) {
      const std::string name = TokenName(TokenBytes(engine_, id));
      if (!top.contains(name)) top[name] = std::max(logprob, kLeastLogprob);  // the likelier one
    }
    tops.push_back(std::move(top));
    offsets.push_back(offset_);
    offset_ += CountCharacters(text);
  }
  return {{"tokens", std::move(tokens)},
          {"token_logprobs", std::move(logprobs)},
          {"top_logprobs", std::move(tops)},
          {"text_offset", std::move(offsets)}};
}

}  // namespace gemma3n::server
