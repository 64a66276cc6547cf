// SPDX-License-Identifier: Apache-2.0
// An answer's text as it comes -> its own text, or the calls in it: exactly what
// Constraint::ToolCalls lets through.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gemma3n::server {

struct ToolEvent {
  enum class Kind { kText, kCallBegun, kArguments, kCallEnded };
  Kind kind;
  size_t call = 0;        // which one, from 0
  std::string text = "";  // kText; of kCallBegun the name; of kArguments a piece of their JSON

  friend bool operator==(const ToolEvent&, const ToolEvent&) = default;
};

class ToolCallReader {
 public:
  // Pieces of text may end anywhere. What could still become a call is held back.
  std::vector<ToolEvent> Push(std::string_view piece);
  // What was held back. A call that was cut short has no kCallEnded.
  std::vector<ToolEvent> Finish();

  size_t calls() const { return calls_; }  // begun so far
  // Whether no call was cut short.
  bool complete() const {
    return state_ == State::kUndecided || state_ == State::kText || state_ == State::kBehind;
  }

 private:
  enum class State {
    kUndecided,  // it may become a call
    kText,
    kKey,         // "name", up to its colon
    kName,        // up to the quote behind it
    kParameters,  // up to the brace that opens the arguments
    kArguments,
    kBehind,  // up to the brace that opens the next call
  };
  void Decide();
  void Read(char c);
  void ReadName(char c);
  void ReadArguments(char c);
  void Give(ToolEvent::Kind kind, std::string text = "");

  State state_ = State::kUndecided;
  std::string held_;  // undecided text, or a name or arguments that have not been given yet
  std::vector<ToolEvent> events_;
  size_t calls_ = 0;
  int depth_ = 0;  // of braces in the arguments
  bool quoted_ = false, escaped_ = false;
};

}  // namespace gemma3n::server
