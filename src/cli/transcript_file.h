// SPDX-License-Identifier: Apache-2.0
// Where the segments of one recording go: to standard output as they come, or to a file that
// appears when all are there. What a long job had when it was ended stands in FILE.part, from where
// the same command goes on.
#pragma once

#include <algorithm>
#include <fstream>
#include <nlohmann/json_fwd.hpp>
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
    bool restart = false;  // a part that is there already is replaced
  };
  // Reads what FILE.part has. Throws Error (kUsage) where the file cannot be written, and where the
  // part is of another job.
  explicit TranscriptFile(Options options);

  // Whether an ended work can be gone on with.
  bool keeps_part() const { return !options_.path.empty() && !options_.job.empty(); }
  // Where an earlier run got to, seconds; 0: there was none.
  double begins_at_s() const { return segments_.empty() ? 0 : segments_.back().end_s; }
  // Of an earlier run and of this one.
  size_t count() const { return std::max(count_, segments_.size()); }

  // False when the reader of standard output went away. Throws Error (kResources).
  bool Add(const Segment& segment);
  // All is there.
  void Finish(const TranscriptFacts& facts);

 private:
  std::string part() const { return options_.path + ".part"; }
  bool ReadPart();  // whether there is one to go on with
  void Check(bool good, const std::string& path) const;

  Options options_;
  std::ofstream part_;
  std::vector<Segment> segments_;
  size_t count_ = 0;  // put out by this run
};

// What a part is recognized by: the recording, its size and time of change, and `settings`. Empty
// for what is no file.
std::string JobOf(const std::string& source, const nlohmann::ordered_json& settings);

}  // namespace gemma3n::cli
