// SPDX-License-Identifier: Apache-2.0
#include "cli/conversation.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "cli/options.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {

std::vector<Turn> Conversation::WithSystem() const {
  std::vector<Turn> whole;
  if (!system.empty()) whole.push_back({Role::kSystem, {Part(system)}});
  whole.insert(whole.end(), turns.begin(), turns.end());
  return whole;
}

bool Conversation::HoldsMedia() const {
  return std::any_of(turns.begin(), turns.end(), [](const Turn& turn) {
    return std::any_of(turn.parts.begin(), turn.parts.end(), [](const Part& part) {
      return !std::holds_alternative<std::string>(part.content);
    });
  });
}

std::string TextOf(const Turn& turn) {
  std::string text;
  for (const Part& part : turn.parts) {
    if (const auto* words = std::get_if<std::string>(&part.content)) text += *words;
  }
  return text;
}

const char* WhatItIs(const Part& part) {
  if (part.is_picture()) return "picture";
  if (std::holds_alternative<std::shared_ptr<const AudioClip>>(part.content)) return "sound";
  if (std::holds_alternative<std::shared_ptr<const VideoClip>>(part.content)) return "film";
  return "text";
}

std::string WhatIsLeftOut(const std::vector<Turn>& turns, const LeftOut& left_out) {
  std::map<std::string, int64_t> counts;
  int64_t media = 0;
  for (const Turn& turn : turns) {
    for (const Part& part : turn.parts) {
      if (std::holds_alternative<std::string>(part.content)) continue;
      if (media++ < left_out.media) ++counts[WhatItIs(part)];
    }
  }
  std::string text;
  for (const char* kind : {"picture", "sound", "film"}) {
    if (counts[kind] == 0) continue;
    text += (text.empty() ? "" : " and ") + std::to_string(counts[kind]) + " " + kind +
            (counts[kind] == 1 ? "" : "s");
  }
  if (!text.empty()) text += " of earlier messages";
  if (left_out.turns > 0) {
    text += (text.empty() ? "" : " and the ") + std::to_string(left_out.turns) + " oldest turns";
  }
  return text + " left out, the context is full";
}

std::string AsJson(const Conversation& conversation) {
  nlohmann::ordered_json json = {{"system", conversation.system},
                                 {"turns", nlohmann::ordered_json::array()}};
  for (const Turn& turn : conversation.turns) {
    json["turns"].push_back(
        {{"role", turn.role == Role::kUser ? "user" : "model"}, {"text", TextOf(turn)}});
  }
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string AsMarkdown(const Conversation& conversation) {
  std::string text;
  for (const Turn& turn : conversation.turns) {
    text += (turn.role == Role::kUser ? "**You**\n\n" : "**Model**\n\n") + TextOf(turn) + "\n\n";
  }
  return text;
}

Conversation LoadConversation(const std::string& path) {
  Conversation conversation;
  try {
    const auto json = nlohmann::json::parse(TextOrFile("@" + path));
    conversation.system = json.at("system").get<std::string>();
    for (const auto& turn : json.at("turns")) {
      const bool users = conversation.turns.size() % 2 == 0;
      if (turn.at("role") != (users ? "user" : "model")) {
        throw Error(ErrorKind::kUsage, path + ": turn " +
                                           std::to_string(conversation.turns.size() + 1) +
                                           ": expected the role " + (users ? "user" : "model"));
      }
      conversation.turns.push_back(
          {users ? Role::kUser : Role::kModel, {Part(turn.at("text").get<std::string>())}});
    }
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorKind::kUsage, path + ": is not a conversation that /save wrote");
  }
  if (conversation.turns.size() % 2 != 0) {
    throw Error(ErrorKind::kUsage, path + ": expected an answer to the last message, found none");
  }
  return conversation;
}

void WriteFile(const std::string& path, const std::string& text) {
  if (path.empty()) throw Error(ErrorKind::kUsage, "expected the name of a file, found none");
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    throw Error(ErrorKind::kUsage, path + ": expected a file, found a directory");
  }
  const std::string temporary = path + ".part";
  std::ofstream file(temporary, std::ios::binary);
  file << text;
  file.close();
  if (file) std::filesystem::rename(temporary, path, error);
  if (file && !error) return;
  std::error_code ignored;
  std::filesystem::remove(temporary, ignored);
  throw Error(ErrorKind::kResources, path + ": cannot be written");
}

}  // namespace gemma3n::cli
