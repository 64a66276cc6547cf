// SPDX-License-Identifier: Apache-2.0
// What `gemma3n bench` measured: as lines of a table, as JSON, beside an earlier run.
#pragma once

#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "gemma3n/benchmark.h"

namespace gemma3n::cli {

// One thing that was measured.
struct BenchResult {
  std::string name;   // "pp512", "tg128@4096", "image768", "audio30", "load", "start32"
  std::string kind;   // "prefill", "decode", "image", "audio", "load", "start"
  double amount = 0;  // tokens, pixels of a side, seconds of sound; 0 for loading
  int64_t depth = 0;  // of decoding
  Measurement measured;
};

// The middle one of values, or the mean of the middle two. Not of none.
double Median(std::vector<double> values);

// An earlier run's --json output.
class EarlierRun {
 public:
  // Throws Error (kUsage) when the file is not such an output.
  explicit EarlierRun(const std::string& path);
  // How many times as fast the new result is; nullopt where the old run lacks it.
  std::optional<double> SpeedRatio(const BenchResult& result) const;
  // What to say where the runs are not of the same settings, else "".
  std::string Difference(const nlohmann::ordered_json& settings) const;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
  nlohmann::ordered_json settings_;
  std::map<std::string, double> medians_;  // seconds
};

// Model, threads, kernels and cache of a run.
nlohmann::ordered_json BenchSettings(const std::string& model, const Benchmark& benchmark,
                                     int repetitions);

std::string BenchTableHead(const EarlierRun* earlier);
std::string BenchTableLine(const BenchResult& result, const EarlierRun* earlier);
nlohmann::ordered_json BenchResultAsJson(const BenchResult& result, const EarlierRun* earlier);

}  // namespace gemma3n::cli
