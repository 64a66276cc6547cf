// SPDX-License-Identifier: Apache-2.0
#include "server/tool_call_reader.h"

#include <array>
#include <utility>

namespace gemma3n::server {
namespace {

// How calls begin, with any white space between.
constexpr std::array<std::string_view, 4> kOpening = {"[", "{", "\"name\"", ":"};

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

enum class Match { kNo, kPartly, kWhole };

// Whether `text` begins as calls do; `end` is where the opening ends.
Match MatchOpening(std::string_view text, size_t& end) {
  size_t at = 0;
  for (const std::string_view piece : kOpening) {
    while (at < text.size() && IsSpace(text[at])) ++at;
    const std::string_view there = text.substr(at, piece.size());
    if (there != piece.substr(0, there.size())) return Match::kNo;
    if (there.size() < piece.size()) return Match::kPartly;
    at += piece.size();
  }
  end = at;
  return Match::kWhole;
}

}  // namespace

std::vector<ToolEvent> ToolCallReader::Push(std::string_view piece) {
  if (state_ == State::kUndecided) {
    held_ += piece;
    Decide();
  } else if (state_ == State::kText) {
    Give(ToolEvent::Kind::kText, std::string(piece));
  } else {
    for (const char c : piece) Read(c);
  }
  if (state_ == State::kArguments) {
    Give(ToolEvent::Kind::kArguments, std::exchange(held_, ""));
  }
  return std::exchange(events_, {});
}

std::vector<ToolEvent> ToolCallReader::Finish() {
  if (state_ == State::kUndecided) Give(ToolEvent::Kind::kText, std::exchange(held_, ""));
  return std::exchange(events_, {});
}

void ToolCallReader::Decide() {
  size_t end = 0;
  switch (MatchOpening(held_, end)) {
    case Match::kPartly:
      return;
    case Match::kNo:
      state_ = State::kText;
      Give(ToolEvent::Kind::kText, std::exchange(held_, ""));
      return;
    case Match::kWhole:
      break;
  }
  state_ = State::kName;
  const std::string rest = std::exchange(held_, "").substr(end);
  for (const char c : rest) Read(c);
}

void ToolCallReader::Read(char c) {
  switch (state_) {
    case State::kUndecided:
    case State::kText:
      return;
    case State::kKey:
      if (c == ':') state_ = State::kName;
      return;
    case State::kName:
      return ReadName(c);
    case State::kParameters:
    case State::kArguments:
      return ReadArguments(c);
    case State::kBehind:
      if (c == '{') state_ = State::kKey;
      return;
  }
}

void ToolCallReader::ReadName(char c) {
  if (c != '"') {
    if (quoted_) held_ += c;
    return;
  }
  quoted_ = !quoted_;
  if (quoted_) return;
  ++calls_;
  state_ = State::kParameters;
  Give(ToolEvent::Kind::kCallBegun, std::exchange(held_, ""));
}

void ToolCallReader::ReadArguments(char c) {
  if (state_ == State::kParameters && c != '{') return;
  state_ = State::kArguments;
  held_ += c;
  if (quoted_) {
    if (c == '"' && !escaped_) quoted_ = false;
    escaped_ = c == '\\' && !escaped_;
    return;
  }
  if (c == '"') quoted_ = true;
  if (c == '{') ++depth_;
  if (c == '}' && --depth_ == 0) {
    Give(ToolEvent::Kind::kArguments, std::exchange(held_, ""));
    Give(ToolEvent::Kind::kCallEnded);
    state_ = State::kBehind;
  }
}

void ToolCallReader::Give(ToolEvent::Kind kind, std::string text) {
  if (text.empty() && kind != ToolEvent::Kind::kCallEnded) return;
  events_.push_back({kind, calls_ == 0 ? 0 : calls_ - 1, std::move(text)});
}

}  // namespace gemma3n::server
