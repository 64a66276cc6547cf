// SPDX-License-Identifier: Apache-2.0
// Decoded audio frames -> float records at their own rate, all channels. Integers become
// n / 2^(bits-1), as libsndfile has it.
#pragma once

#include <cstdint>
#include <vector>

#include "media_process/job.h"
#include "media_process/libav.h"
#include "media_process/records.h"

namespace gemma3n {

class SoundWriter {
 public:
  // Writes at most `most_s` of sound, and none of a track that starts after `latest_start_s`.
  SoundWriter(double latest_start_s, double most_s, const Job& job, RecordWriter& out)
      : latest_start_s_(latest_start_s), most_s_(most_s), job_(job), out_(out) {}

  // `start_s` counts for the first frame only: sound before 0 is dropped, and silence fills the
  // time up to a start after 0.
  void Write(const AVFrame& frame, double start_s);
  bool done() const { return written_s_ >= most_s_; }
  bool started() const { return started_; }

 private:
  void Align(double start_s, int rate_hz, int channels);

  double latest_start_s_, most_s_;
  const Job& job_;
  RecordWriter& out_;
  bool started_ = false;
  int64_t to_drop_ = 0;  // samples of each channel
  double written_s_ = 0;
  std::vector<float> piece_;
};

}  // namespace gemma3n
