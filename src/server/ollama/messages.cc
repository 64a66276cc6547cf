// SPDX-License-Identifier: Apache-2.0
#include "server/ollama/messages.h"

#include <algorithm>
#include <cctype>
#include <map>
#include <nlohmann/json.hpp>

#include "server/answer_json.h"
#include "server/conversation.h"

namespace gemma3n::server {
namespace {

constexpr char kSomeFunction[] = "tool";  // whose call is not there any more

std::string RoleOf(const Field& message) {
  std::string role = message["role"].Text();
  std::transform(role.begin(), role.end(), role.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  for (const char* known : {"system", "user", "assistant", "tool"}) {
    if (role == known) return role;
  }
  Expected(message["role"], "one of 'system', 'user', 'assistant', 'tool'");
}

class MessageReader {
 public:
  explicit MessageReader(MediaParts& media) : media_(media) {}

  void Add(const Field& message) {
    const std::string role = RoleOf(message);
    const Field content = message["content"], thinking = message["thinking"];
    const std::string text = content.present() ? content.Text() : "";
    if (thinking.present()) thinking.Text();  // of an earlier answer
    std::vector<Part> parts = ReadOllamaMedia(message["images"], media_);
    if (role != "user" && !parts.empty()) {
      CannotDo(message["images"], "only messages of the user may have some");
    }
    const std::vector<ToolCall> calls = Calls(message["tool_calls"]);
    if (role != "assistant" && !calls.empty()) {
      Expected(message["tool_calls"], "some in messages of the assistant alone");
    }
    if (role == "system") {
      conversation.AddSystem(text);
    } else if (role == "tool") {
      conversation.Add(Role::kUser, {Part(ResultText(ToolName(message), text))});
    } else if (role == "assistant") {
      const std::string called = calls.empty() ? "" : CallsText(calls);
      const bool both = !text.empty() && !called.empty();
      conversation.Add(Role::kModel, {Part(text + (both ? "\n\n" : "") + called)});
    } else {
      if (!text.empty() || parts.empty()) parts.emplace_back(text);
      conversation.Add(Role::kUser, std::move(parts));
    }
  }

  Conversation conversation;

 private:
  std::vector<ToolCall> Calls(const Field& list) {
    std::vector<ToolCall> calls;
    if (!list.present()) return calls;
    for (const Field& one : list.Items(kMostTools)) {
      const Field function = one["function"], arguments = function["arguments"], id = one["id"];
      ToolCall call{.name = function["name"].Text()};
      CheckToolName(call.name, function["name"].path(), NameRule::kWide);
      if (arguments.present()) {
        if (!arguments.json().is_object()) Expected(arguments, "an object");
        call.arguments = JsonLine(arguments.json());
      }
      if (id.present()) names_[id.Text()] = call.name;
      last_name_ = call.name;
      calls.push_back(std::move(call));
    }
    return calls;
  }

  // Whose result it is: by its name, by the call's id, or else of the last call. The call may have
  // been left out, with what is older.
  std::string ToolName(const Field& message) const {
    const Field name = message["tool_name"], id = message["tool_call_id"];
    if (name.present() && !name.Text().empty()) {
      CheckToolName(name.Text(), name.path(), NameRule::kWide);
      return name.Text();
    }
    if (id.present() && !id.Text().empty()) {
      const auto found = names_.find(id.Text());
      if (found == names_.end()) {
        Expected(id, "the id of a call before it, found '" + Shown(id.Text()) + "'");
      }
      return found->second;
    }
    return last_name_.empty() ? kSomeFunction : last_name_;
  }

  MediaParts& media_;
  std::map<std::string, std::string> names_;  // of calls, by their ids
  std::string last_name_;
};

}  // namespace

void ReadOllamaMessages(const Field& messages, const std::string& system, const ToolUse& tools,
                        MediaParts& media, Ask& ask) {
  MessageReader reader(media);
  const std::vector<Field> items = messages.Items(kMostMessages);
  const bool has_system = std::any_of(
      items.begin(), items.end(), [](const Field& message) { return RoleOf(message) == "system"; });
  if (!has_system && !system.empty()) reader.conversation.AddSystem(system);
  for (const Field& message : items) reader.Add(message);
  reader.conversation.LayOut(messages, tools, ask);
}

std::vector<Part> ReadOllamaMedia(const Field& images, MediaParts& media) {
  std::vector<Part> parts;
  if (!images.present()) return parts;
  for (const Field& one : images.Items(kMostPictures)) {
    media.CountPart(one);
    parts.push_back(media.Any(one));
  }
  return parts;
}

ToolUse ReadOllamaTools(const Field& tools) {
  ToolUse use;
  if (!tools.present()) return use;
  for (const Field& tool : tools.Items(kMostTools)) {
    tool["type"].Word({"function"});
    if (!tool["function"].present()) Expected(tool["function"], "an object");
    AddTool(ReadTool(tool["function"], NameRule::kWide), use);
  }
  return use;
}

}  // namespace gemma3n::server
