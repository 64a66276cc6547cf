// SPDX-License-Identifier: Apache-2.0
#include "cli/bench_report.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "cli/terminal.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

// What a result is told in: tokens a second where it has tokens to count, else milliseconds.
struct Told {
  double median, least, most;
  const char* unit;
};

Told Tell(const BenchResult& result) {
  const std::vector<double>& seconds = result.measured.seconds;
  const auto [fastest, slowest] = std::minmax_element(seconds.begin(), seconds.end());
  if (result.kind == "prefill" || result.kind == "decode") {
    return {result.amount / Median(seconds), result.amount / *slowest, result.amount / *fastest,
            "tokens/s"};
  }
  return {1000 * Median(seconds), 1000 * *fastest, 1000 * *slowest, "ms"};
}

std::string Megabytes(int64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.0f", static_cast<double>(bytes) / 1e6);
  return text;
}

std::string Processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind("model name", 0) != 0) continue;
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "";
}

}  // namespace

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

EarlierRun::EarlierRun(const std::string& path) : path_(path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(ErrorKind::kUsage, path + ": cannot be read");
  const auto json = nlohmann::ordered_json::parse(file, nullptr, /*allow_exceptions=*/false);
  const Error wrong(ErrorKind::kUsage, path + ": expected what bench --json printed");
  if (!json.is_object() || !json.contains("settings") || !json.contains("results") ||
      !json["settings"].is_object() || !json["results"].is_array()) {
    throw wrong;
  }
  settings_ = json["settings"];
  for (const auto& result : json["results"]) {
    if (!result.is_object() || !result.contains("name") || !result["name"].is_string() ||
        !result.contains("median_seconds") || !result["median_seconds"].is_number() ||
        result["median_seconds"].get<double>() <= 0) {
      throw wrong;
    }
    medians_[result["name"].get<std::string>()] = result["median_seconds"].get<double>();
  }
}

std::optional<double> EarlierRun::SpeedRatio(const BenchResult& result) const {
  const auto old = medians_.find(result.name);
  if (old == medians_.end()) return std::nullopt;
  return old->second / Median(result.measured.seconds);
}

std::string EarlierRun::Difference(const nlohmann::ordered_json& settings) const {
  std::string differences;
  for (const auto& [key, value] : settings.items()) {
    if (key == "repetitions") continue;
    const nlohmann::ordered_json old = settings_.value(key, nlohmann::ordered_json());
    if (old == value) continue;
    differences += (differences.empty() ? "" : ", ") + key + " " + OneLine(old.dump()) +
                   " there, " + OneLine(value.dump()) + " here";
  }
  return differences.empty() ? "" : path_ + ": another setting: " + differences;
}

nlohmann::ordered_json BenchSettings(const std::string& model, const Benchmark& benchmark,
                                     int repetitions) {
  return {{"version", GEMMA3N_VERSION},
          {"model", model},
          {"threads", benchmark.threads()},
          {"float_kernels", benchmark.float_kernels()},
          {"integer_kernels", benchmark.integer_kernels()},
          {"kv", benchmark.kv_type()},
          {"processor", Processor()},
          {"repetitions", repetitions}};
}

std::string BenchTableHead(const EarlierRun* earlier) {
  std::string head =
      "what             median             least to most        resident MB  anonymous  of files";
  if (earlier != nullptr) head += "  times as fast";
  return head;
}

std::string BenchTableLine(const BenchResult& result, const EarlierRun* earlier) {
  const Told told = Tell(result);
  const int places = told.median < 100 ? 2 : 1;
  char line[200], spread[48];
  std::snprintf(spread, sizeof(spread), "%.*f to %.*f", places, told.least, places, told.most);
  const PeakMemory& memory = result.measured.memory;
  std::snprintf(line, sizeof(line), "%-12s %10.*f %-8s   %-20s %11s  %9s  %8s", result.name.c_str(),
                places, told.median, told.unit, spread, Megabytes(memory.resident_bytes).c_str(),
                Megabytes(memory.anonymous_bytes).c_str(), Megabytes(memory.file_bytes).c_str());
  std::string text = line;
  if (earlier == nullptr) return text;
  const std::optional<double> ratio = earlier->SpeedRatio(result);
  std::snprintf(line, sizeof(line), "  %13.3f", ratio.value_or(0));
  return text + (ratio ? line : "              -");
}

nlohmann::ordered_json BenchResultAsJson(const BenchResult& result, const EarlierRun* earlier) {
  const Told told = Tell(result);
  const PeakMemory& memory = result.measured.memory;
  nlohmann::ordered_json json = {{"name", result.name}, {"kind", result.kind}};
  if (result.kind != "load") json["amount"] = result.amount;
  if (result.kind == "decode") json["depth"] = result.depth;
  json["unit"] = told.unit;
  json["median"] = told.median;
  json["least"] = told.least;
  json["most"] = told.most;
  json["median_seconds"] = Median(result.measured.seconds);
  json["seconds"] = result.measured.seconds;
  json["memory"] = {{"resident_bytes", memory.resident_bytes},
                    {"anonymous_bytes", memory.anonymous_bytes},
                    {"file_bytes", memory.file_bytes}};
  if (earlier != nullptr) {
    if (const std::optional<double> ratio = earlier->SpeedRatio(result)) {
      json["speed_ratio"] = *ratio;
    }
  }
  return json;
}

}  // namespace gemma3n::cli
