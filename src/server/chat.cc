// SPDX-License-Identifier: Apache-2.0
#include "server/chat.h"

#include <charconv>

namespace gemma3n::server {
namespace {

constexpr std::chrono::milliseconds kGlance(50);  // between two looks whether the client is there

}  // namespace

std::vector<std::string> Service::ModelNames() const {
  std::vector<std::string> names = {options.model_name};
  for (const auto& [alias, name] : options.aliases) names.push_back(alias);
  return names;
}

Service Service::For(const Exchange& exchange) const {
  Service same = *this;
  same.client_waits = [&exchange] { return !exchange.ClientIsGone(); };
  return same;
}

void Service::CheckModel(const std::string& name) const {
  std::string known;
  for (const std::string& ours : ModelNames()) {
    if (name == ours || name == WithTag(ours)) return;
    known += (known.empty() ? "" : ", ") + ours;
  }
  throw Refusal(Reason::kModelNotFound,
                "model '" + Shown(name) + "' is not served here; known: " + known, "model");
}

std::string WithTag(const std::string& name) {
  const size_t slash = name.rfind('/');
  const size_t colon = name.find(':', slash == std::string::npos ? 0 : slash);
  return colon == std::string::npos ? name + ":latest" : name;
}

std::string TokenBytes(const Engine& engine, int32_t id) {
  const std::string piece = engine.Piece(id);
  if (piece.size() == 6 && piece.starts_with("<0x") && piece.ends_with(">")) {
    unsigned byte = 0;
    const auto [end, error] = std::from_chars(piece.data() + 3, piece.data() + 5, byte, 16);
    if (error == std::errc() && end == piece.data() + 5) return {static_cast<char>(byte)};
  }
  constexpr std::string_view kSpace = "\u2581";
  std::string bytes;
  for (size_t at = 0; at < piece.size();) {
    const bool space = std::string_view(piece).substr(at).starts_with(kSpace);
    bytes += space ? ' ' : piece[at];
    at += space ? kSpace.size() : 1;
  }
  return bytes;
}

bool Follow(Answering& answering, const Exchange& exchange, const Following& following) {
  std::chrono::milliseconds silent(0);
  for (size_t ended = 0; ended < following.choices;) {
    std::optional<AnswerEvent> event = answering.Next(kGlance);
    if (!event) {
      if (exchange.ClientIsGone()) return false;
      silent += kGlance;
      if (following.on_silence && silent >= following.silence) {
        if (!following.on_silence()) return false;
        silent = {};
      }
      continue;
    }
    silent = {};
    if (event->error != nullptr) throw AsRefusal(event->error);
    ended += event->result.has_value();
    if (!following.on_event(*event)) return false;
  }
  return true;
}

std::vector<GenerateResult> Collect(Answering& answering, const Exchange& exchange,
                                    size_t choices) {
  std::vector<GenerateResult> results(choices);
  const bool all =
      Follow(answering, exchange, {.choices = choices, .on_event = [&](AnswerEvent& event) {
                                     if (event.result)
                                       results[event.choice] = std::move(*event.result);
                                     return !exchange.ClientIsGone();
                                   }});
  if (!all) results.clear();
  return results;
}

}  // namespace gemma3n::server
