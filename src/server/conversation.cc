// SPDX-License-Identifier: Apache-2.0
#include "server/conversation.h"

#include <algorithm>
#include <span>

#include "gemma3n/fit_context.h"
#include "server/media_reader.h"

namespace gemma3n::server {

void Conversation::AddSystem(const std::string& text) {
  system_ += (system_.empty() ? "" : "\n\n") + text;
}

void Conversation::Add(Role role, std::vector<Part> parts) {
  if (!parts.empty()) AddTurn({role, std::move(parts)}, turns_);
}

void Conversation::GoOn(Role role, std::vector<Part> parts) {
  if (parts.empty()) return;
  const bool same = !turns_.empty() && turns_.back().role == role;
  auto* const last = same ? std::get_if<std::string>(&turns_.back().parts.back().content) : nullptr;
  const auto* const first = std::get_if<std::string>(&parts.front().content);
  if (last != nullptr && first != nullptr) {
    *last += *first;
    parts.erase(parts.begin());
  }
  Add(role, std::move(parts));
}

void Conversation::Shorten(size_t most_bytes, size_t most_turns) {
  size_t bytes = MediaReader::BytesOf(turns_), first = 0;
  const auto too_much = [&] {
    const bool begins_anew = first == 0 || turns_[first].role == Role::kUser;
    return bytes > most_bytes || turns_.size() - first > most_turns || !begins_anew;
  };
  for (; first + 1 < turns_.size() && too_much(); ++first) {
    bytes -= MediaReader::BytesOf(std::span(&turns_[first], 1));
  }
  turns_.erase(turns_.begin(), turns_.begin() + static_cast<ptrdiff_t>(first));
}

std::vector<Turn> Conversation::Turns(const Field& messages, const ToolUse& tools) const {
  if (turns_.empty()) Expected(messages, "something that the user says");
  std::vector<Turn> turns;
  const std::string system = WithTools(system_, tools);
  if (!system.empty()) turns.push_back({Role::kSystem, {Part(system)}});
  if (turns_.front().role == Role::kModel) turns.push_back({Role::kUser, {Part("")}});
  turns.insert(turns.end(), turns_.begin(), turns_.end());
  return turns;
}

void Conversation::LayOut(const Field& messages, const ToolUse& tools, Ask& ask) const {
  ask.turns = Turns(messages, tools);
  if (ask.turns.back().role == Role::kModel &&
      (ask.options.constraint != nullptr || tools.calls())) {
    CannotDo(messages, "an answer that is begun can be held to no form, and calls no function");
  }
}

void LayOutFitting(Ask& ask, const Service& service, int64_t context) {
  const auto tokens = [&](const LeftOut& left_out) {
    return static_cast<int64_t>(
        service.engine.PromptIds(WithoutOldest(ask.turns, left_out), ask.options).size());
  };
  try {
    const LeftOut left_out = FitContext(ask.turns, RoomForPrompt(context, ask.options.max_tokens),
                                        std::max<int64_t>(1, context / 4), LeftOut{}, tokens);
    // Where even that is too long, all of it is refused as it is.
    if (left_out != LeftOut{} && tokens(left_out) < context) {
      ask.turns = WithoutOldest(ask.turns, left_out);
    }
  } catch (const Error&) {  // laying it out says what is wrong in the right words
  }
  service.worker.LayOut(ask);
}

}  // namespace gemma3n::server
