// SPDX-License-Identifier: Apache-2.0
// The scores of sizes, kept in a file from one run to the next: a search that goes on finds there
// what it has done.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>

#include "cli/lab_data.h"
#include "gemma3n/lab.h"
#include "gemma3n/lab_search.h"

namespace gemma3n::cli {

// Means over tokens, in nats.
struct Quality {
  double loss = 0;  // negative log-likelihood of what was expected
  std::optional<double> divergence;
  // The same on what the search does not see.
  std::optional<double> held_out_loss, held_out_divergence;
};

class ScoreBook {
 public:
  // Reads `file` where it exists; empty: nothing is kept. `key` says of what the scores are. Throws
  // Error (kUsage) where the file's are of something else, unless `restart`, which forgets them.
  ScoreBook(std::string file, std::string key, bool restart);

  // Of each; scored by `lab`, which has read `data`, where it is not known, and written down.
  // Nothing: cancelled.
  std::optional<std::vector<Quality>> Score(Lab& lab, const LabData& data,
                                            std::span<const Widths> sizes,
                                            const ProgressCallback& on_progress);
  const Quality& Of(const Widths& widths) const { return known_.at(widths); }
  bool Knows(const Widths& widths) const { return known_.contains(widths); }
  size_t size() const { return known_.size(); }

 private:
  void Read();
  void Write() const;

  std::string file_, key_;
  std::map<Widths, Quality> known_;
};

// Writes a file under a temporary name and renames it. Throws Error (kUsage).
void WriteWhole(const std::string& path, const std::string& content);
// Throws Error (kUsage) where that would fail; before long work.
void CheckWritable(const std::string& path);

}  // namespace gemma3n::cli
