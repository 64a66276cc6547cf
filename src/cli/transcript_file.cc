// SPDX-License-Identifier: Apache-2.0
#include "cli/transcript_file.h"

#include <unistd.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "cli/terminal.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

using Json = nlohmann::ordered_json;

}  // namespace

std::string JobOf(const std::string& source, const std::string& settings) {
  std::error_code error;
  const uintmax_t bytes = std::filesystem::file_size(source, error);
  if (error) return "";
  const auto changed = std::filesystem::last_write_time(source, error);
  if (error) return "";
  return std::to_string(bytes) + " bytes, changed " +
         std::to_string(changed.time_since_epoch().count()) + ", " + settings;
}

TranscriptFile::TranscriptFile(Options options) : options_(std::move(options)) {
  if (options_.path.empty()) {
    Put(TranscriptHead(options_.format));
    return;
  }
  std::error_code ignored;
  const bool is_directory = std::filesystem::is_directory(options_.path, ignored);
  ReadPart();
  if (!is_directory) part_.open(part(), std::ios::binary);
  if (is_directory || !part_) {
    throw Error(ErrorKind::kUsage, options_.path + ": cannot be written");
  }
  part_ << Json{{"job", options_.job}}.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
  for (const Segment& segment : segments_) {
    part_ << TranscriptEntry(TranscriptFormat::kJsonLines, 0, segment, false);
  }
  part_.flush();
  Check(static_cast<bool>(part_), part());
}

// A line that was cut when the earlier run was ended, and what is no part of ours, counts for
// nothing.
void TranscriptFile::ReadPart() {
  if (options_.job.empty()) return;
  std::ifstream file(part(), std::ios::binary);
  std::string line;
  try {
    if (!std::getline(file, line) || Json::parse(line).at("job") != options_.job) return;
    while (std::getline(file, line)) segments_.push_back(SegmentFromJson(Json::parse(line)));
  } catch (const Json::exception&) {
  }
}

void TranscriptFile::Check(bool good, const std::string& path) const {
  if (!good) throw Error(ErrorKind::kResources, path + ": cannot be written");
}

bool TranscriptFile::Add(const Segment& segment) {
  segments_.push_back(segment);
  if (options_.path.empty()) {
    const std::string entry =
        TranscriptEntry(options_.format, segments_.size() - 1, segment, options_.with_times);
    const bool shows = options_.format == TranscriptFormat::kText && !options_.raw_output &&
                       IsTerminal(STDOUT_FILENO);
    return Put(shows ? ShowControls(entry) : entry);
  }
  part_ << TranscriptEntry(TranscriptFormat::kJsonLines, 0, segment, false) << std::flush;
  Check(static_cast<bool>(part_), part());
  return true;
}

void TranscriptFile::Finish(const TranscriptFacts& facts) {
  std::string text = TranscriptHead(options_.format);
  for (size_t i = 0; i < segments_.size(); ++i) {
    text += TranscriptEntry(options_.format, i, segments_[i], options_.with_times);
  }
  if (options_.format == TranscriptFormat::kJson) text = TranscriptAsJson(facts, segments_);
  if (options_.path.empty()) {
    if (options_.format == TranscriptFormat::kJson) Put(text);
    return;
  }
  part_.close();
  const std::string temporary = options_.path + ".tmp";
  std::ofstream file(temporary, std::ios::binary);
  file << text;
  file.close();
  Check(static_cast<bool>(file), temporary);
  std::error_code error;
  std::filesystem::rename(temporary, options_.path, error);
  Check(!error, options_.path);
  std::filesystem::remove(part(), error);
}

}  // namespace gemma3n::cli
