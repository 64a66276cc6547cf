// SPDX-License-Identifier: Apache-2.0
// Lines from a person: edited and with a history on a terminal (libedit), plain otherwise. On a
// terminal Alt-Enter begins another line of the same text, Ctrl-G takes it to $EDITOR and back, and
// what is pasted stays one text. Where several lines stand in one, U+2424 marks their ends.
#pragma once

#include <string>

namespace gemma3n::cli {

class LineEditor {
 public:
  // History is kept in `history_file`, readable by its owner alone; empty: none.
  explicit LineEditor(std::string history_file);

  struct Line {
    enum class Kind { kText, kInterrupted, kEnd };
    Kind kind;
    std::string text;  // without its last newline; when interrupted, what Ctrl-C threw away
  };
  Line Read(const std::string& prompt);
  // Where it is no terminal: whether Read has something already, so that there is no need to wait
  // for the descriptor.
  bool HasLine() const;

  // Puts a text of one or more lines into the history, as one entry.
  void Keep(const std::string& text) const;
  bool interactive() const { return interactive_; }

 private:
  Line ReadPlain();

  std::string history_file_;
  bool interactive_;
  std::string read_ahead_;  // of plain lines
  bool ended_ = false;
};

}  // namespace gemma3n::cli
