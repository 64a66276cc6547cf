// SPDX-License-Identifier: Apache-2.0
// Messages of a request -> the turns that the model's template takes: one text of the system, then
// user and model in turn.
#pragma once

#include <string>
#include <vector>

#include "gemma3n/content.h"
#include "server/call.h"
#include "server/tools.h"

namespace gemma3n::server {

class Conversation {
 public:
  // All of them become one, in front.
  void AddSystem(const std::string& text);
  // What one of them says twice in a row is one turn, with an empty line where texts meet.
  void Add(Role role, std::vector<Part> parts);
  // The same, and where texts meet nothing stands between them: a piece of what was said before.
  void GoOn(Role role, std::vector<Part> parts);
  bool empty() const { return turns_.empty(); }
  const std::vector<Turn>& turns() const { return turns_; }
  // Leaves out what is oldest, up to a turn of the user and but for the last turn, until no more
  // bytes (MediaReader::BytesOf) and turns are left than these.
  void Shorten(size_t most_bytes, size_t most_turns);
  // With the functions that may be called. A conversation that begins with the model, as one does
  // whose beginning its client has cut off, has a user in front who said nothing. Throws Refusal
  // where there is none; `messages`: the field to blame.
  std::vector<Turn> Turns(const Field& messages, const ToolUse& tools) const;
  // They become the ask's. Where the last turn is the model's, the answer goes on with it, in no
  // form. Throws Refusal.
  void LayOut(const Field& messages, const ToolUse& tools, Ask& ask) const;

 private:
  std::string system_;
  std::vector<Turn> turns_;
};

// Leaves out what is oldest, where the prompt passes `context` and that helps (fit_context.h), and
// lays the ask out. Throws what Worker::LayOut throws.
void LayOutFitting(Ask& ask, const Service& service, int64_t context);

}  // namespace gemma3n::server
