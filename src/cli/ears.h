// SPDX-License-Identifier: Apache-2.0
// A microphone, or sound that others send, heard by a thread of its own while the chat does
// something else.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "gemma3n/error.h"
#include "gemma3n/sound_stream.h"

namespace gemma3n::cli {

struct SoundSourceArgs {
  // "default" or another name of a microphone (SoundStream::OpenMicrophone), "-" for standard
  // input, or the path of a pipe or a recording, which is played as if it were spoken now.
  std::string source = "default";
  std::string raw;  // of "-" and pipes: --raw
  MediaOptions media;
};

class Ears {
 public:
  // Throws Error (kUsage, kMedia, kResources) for a microphone or file that cannot be opened.
  explicit Ears(const SoundSourceArgs& args);
  ~Ears();
  Ears(const Ears&) = delete;
  Ears& operator=(const Ears&) = delete;

  // What was heard since the last call, at 16 kHz; empty: nothing yet. Nothing at all once the
  // sound has ended. Throws Error (kMedia) when it broke off.
  std::optional<std::vector<float>> Take();
  // Readable when Take has something to say.
  int descriptor() const { return wake_; }
  // From now on what is heard is thrown away, or kept.
  void Listen(bool listens);
  // Whether a microphone had to forget what nobody took for two minutes; once.
  bool Forgot();

 private:
  void Run();
  // False when the ears are to be closed.
  bool WaitForSound();
  bool Keep(const std::vector<float>& samples);

  const SoundSourceArgs args_;
  int sound_ = -1;        // of a pipe or file
  bool owned_ = false;    // whether we opened it
  bool at_pace_ = false;  // a file: it is not to be heard faster than it was said
  bool drained_ = true;
  std::unique_ptr<SoundStream> stream_;  // the thread's
  int wake_ = -1, stop_ = -1;            // events

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<float> heard_;
  std::optional<Error> failure_;
  bool ended_ = false, listens_ = true, stopped_ = false;
  bool forgot_ = false, told_ = false;
  std::thread thread_;
};

}  // namespace gemma3n::cli
