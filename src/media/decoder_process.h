// SPDX-License-Identifier: Apache-2.0
// Films and compressed sound -> frames and samples, by the sandboxed program gemma3n-media. We
// trust nothing it says: its records are checked as if an attacker had written them, and it is
// killed when it takes too long.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "gemma3n/media.h"
#include "media/child_process.h"
#include "media/decoder_job.h"
#include "media/input_file.h"

namespace gemma3n {

// The program at work on one file. One thread at a time; one that is destroyed early ends the
// program at once.
class FilmDecoder {
 public:
  // Starts the program and hands it `file`, for live pictures perhaps a pipe. Throws
  // Error(kResources) when it is missing or cannot be started, kMedia for a format that it does not
  // read.
  FilmDecoder(const Descriptor& file, const std::string& name, const DecoderJob& job,
              const MediaOptions& options);
  ~FilmDecoder();
  FilmDecoder(const FilmDecoder&) = delete;
  FilmDecoder& operator=(const FilmDecoder&) = delete;

  // Reads one record, waiting for it, and appends the sound in it to `sound`, at 16 kHz; false
  // after the last. The first holds the length. Throws Error(kMedia) when the file cannot be read.
  bool Take(std::vector<float>& sound);

  // Makes a Take that waits, in another thread, end with an error soon.
  void Stop() { child_->Stop(); }

  // As far as it was looked at, or, if not measured, what the container says; 0: nothing.
  double duration_s() const;
  double sound_start_s() const;  // as SoundStream::start_s, without `frames`
  // Those that came so far; of live pictures, the caller takes them out.
  std::vector<VideoFrame>& frames();
  // Live: how many pictures came between and were not made into pixels.
  int64_t passed_over() const;

 private:
  class Answer;
  std::unique_ptr<ChildProcess> child_;
  std::unique_ptr<Answer> answer_;
};

// All of it.
VideoClip RunDecoder(const Descriptor& file, const std::string& name, const DecoderJob& job,
                     const MediaOptions& options);

// Where the program is, by the rule of MediaOptions::decoder_program; empty when there is none.
std::filesystem::path FindDecoderProgram(const MediaOptions& options);

// The same, where it is needed: throws Error(kResources) when there is none, since `name`, which is
// `what`, needs it.
std::string DecoderProgram(const std::string& name, const std::string& what,
                           const MediaOptions& options);

}  // namespace gemma3n
