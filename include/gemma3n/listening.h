// SPDX-License-Identifier: Apache-2.0
// A message that is read while it is still being said, so that little is left to do when it ends.
//
//   auto listening = session->Listen({{Role::kUser, {Part(AudioClip{}), "What was said?"}}}, {});
//   while (microphone->Read(samples) > 0) listening->Push(samples);
//   auto result = session->Generate(listening->Conversation(), {});
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "gemma3n/content.h"

namespace gemma3n {

// Made by Session::Listen, which it must not outlive. The answers are those to the whole clip, bit
// by bit. The session may answer other things meanwhile, one at a time: what is lost of this is
// read again.
class Listening {
 public:
  virtual ~Listening() = default;
  Listening(const Listening&) = delete;
  Listening& operator=(const Listening&) = delete;

  // The samples that follow, at the model's rate. What stands before the clip and the soft tokens
  // that are known for sure are read into the session's cache. Throws Error (kMedia), and takes
  // nothing, where the clip would be longer than the model hears at once, (kModel) when the model's
  // files were changed meanwhile, and (kUsage) while the session answers.
  virtual void Push(std::span<const float> samples) = 0;

  // The clip may end here: reads what would follow then, a piece of it at a time, so that a caller
  // can look between for more sound; true where another call would read more. What is pushed later
  // takes it back.
  virtual bool ReadOn() = 0;

  // The conversation with the clip as it is now, which stays so: what is pushed later is in the
  // next one. Valid until the next call; a copy keeps.
  virtual const std::vector<Turn>& Conversation() = 0;

  // What the pushes have cost, and how many soft tokens they have read.
  virtual Timings timings() const = 0;

 protected:
  Listening() = default;
};

}  // namespace gemma3n
