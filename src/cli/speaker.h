// SPDX-License-Identifier: Apache-2.0
// Text read aloud by another program, which gets it on standard input, a line a sentence.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace gemma3n::cli {

// Programs, each with its words, of which each reads what the one before it writes.
using Pipeline = std::vector<std::vector<std::string>>;

// What speaks: `with`, a command for the shell, if there is one; else Piper for a voice that is a
// file of its (.onnx), and a player for its sound; else espeak-ng with this voice of its, such as
// "de", or its own choice. Throws Error (kUsage) when these are not installed.
Pipeline FindSpeaker(const std::string& voice, const std::string& with);

// The programs run while something is being said, in a process group of their own.
class Speaker {
 public:
  explicit Speaker(Pipeline pipeline) : pipeline_(std::move(pipeline)) {}
  ~Speaker() { Stop(); }
  Speaker(const Speaker&) = delete;
  Speaker& operator=(const Speaker&) = delete;

  // One line. Begins to speak, or says it next. Throws Error (kResources).
  void Say(const std::string& line);
  // Nothing follows.
  void Finish() { finished_ = true; }
  // Hands on what the programs have room for; whether they still run. Throws Error (kResources)
  // once they have ended and failed.
  bool Speaking();
  // Ends them where they are.
  void Stop();

 private:
  std::string Name() const;
  void Start();
  void Feed();
  // Whether all have ended, and their worst status.
  bool Reap();

  Pipeline pipeline_;
  std::vector<pid_t> running_;
  pid_t group_ = -1;
  int input_ = -1;       // where the text goes
  std::string waiting_;  // text the first program has no room for yet
  bool finished_ = false, failed_ = false;
};

}  // namespace gemma3n::cli
