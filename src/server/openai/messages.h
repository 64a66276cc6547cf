// SPDX-License-Identifier: Apache-2.0
// The conversation of a request in OpenAI's dialect -> turns. What one role says twice in a row is
// one turn; what functions returned is the user's.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "server/call.h"
#include "server/json.h"
#include "server/tools.h"

namespace gemma3n::server {

// What was said so far.
struct Dialogue {
  std::string system = {};
  std::vector<Turn> turns = {};
  std::map<std::string, std::string> names = {};  // of calls, by their ids
  bool called = false;                            // the last turn ends with calls
  int64_t image_size = 0;  // the largest that a picture asks for; 0: none does
  int64_t pictures = 0, clips = 0;

  // Whether the last turn is the model's, which is to go on with it.
  bool continues() const { return !turns.empty() && turns.back().role == Role::kModel; }
};

// Adds messages and items to a dialogue, one after the other.
class DialogueReader {
 public:
  // What is seen and heard is counted in the call, too.
  DialogueReader(const Service& service, const std::string& owner, Call& call,
                 Dialogue dialogue = {});

  // A message of a chat.
  void AddMessage(const Field& message);
  // An item of a response's input: a message, a call or its output.
  void AddItem(const Field& item);
  void AddSystem(const std::string& text);

  // What it has come to. Throws Refusal where the user has said nothing or not spoken first;
  // `messages`: the field to blame.
  Dialogue Take(const Field& messages);

 private:
  void AddUser(const Field& content);
  void AddAssistant(const Field& message);
  void AddResult(const std::string& name, const Field& content);
  void AddCalls(std::vector<ToolCall> calls);
  std::string NameOf(const Field& id) const;
  Part UserPart(const Field& part);
  Part Picture(const Field& url, const Field& detail);
  Part Sound(const Field& field);
  Part Film(const Field& field);
  Part File(const Field& field);

  const Service& service_;
  Call& call_;
  MediaParts media_;
  Dialogue dialogue_;
};

// Its turns, behind the system text where there is one, become the ask's.
void LayOutDialogue(const Dialogue& dialogue, const std::string& system, Ask& ask);

}  // namespace gemma3n::server
