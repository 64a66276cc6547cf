// SPDX-License-Identifier: Apache-2.0
// Where the segments of one recording go: to standard output as they come, or to a file that
// appears when all are there. What a long job had when it was ended stands in FILE.part, from where
// the same command goes on.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include "cli/transcript.h"

namespace gemma3n::cli {

class TranscriptFile {
 public:
  struct Options {
    std::string path;  // empty: standard output
    TranscriptFormat format = TranscriptFormat::kText;
    bool with_times = false;
    bool raw_output = false;  // control characters as they are, also on a terminal
    // What a part must have been made from and with to be gone on with; empty: never.
    std::string job;
  };
  // Reads what FILE.part has. Throws Error (kUsage) where the file cannot be written.
  explicit TranscriptFile(Options options);

  // Where an earlier run got to, seconds; 0: there was none.
  double begins_at_s() const { return segments_.empty() ? 0 : segments_.back().end_s; }
  size_t count() const { return segments_.size(); }

  // False when the reader of standard output went away. Throws Error (kResources).
  bool Add(const Segment& segment);
  // All is there.
  void Finish(const TranscriptFacts& facts);

 private:
  std::string part() const { return options_.path + ".part"; }
  void ReadPart();
  void Check(bool good, const std::string& path) const;

  Options options_;
  std::ofstream part_;
  std::vector<Segment> segments_;
};

// What a part is recognized by: the recording's size and time of change, and `settings`.
std::string JobOf(const std::string& source, const std::string& settings);

}  // namespace gemma3n::cli
