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

std::string JobOf(const std::string& source, const Json& settings) {
  std::error_code error;
  if (!std::filesystem::is_regular_file(source, error)) return "";
  const auto path = std::filesystem::canonical(source, error);
  const uintmax_t bytes = std::filesystem::file_size(source, error);
  const auto changed = std::filesystem::last_write_time(source, error);
  if (error) return "";
  const Json job = {{"recording", path.string()},
                    {"bytes", bytes},
                    {"changed", changed.time_since_epoch().count()},
                    {"settings", settings}};
  return job.dump(-1, ' ', false, Json::error_handler_t::replace);
}

TranscriptFile::TranscriptFile(Options options) : options_(std::move(options)) {
  if (options_.path.empty()) {
    Put(TranscriptHead(options_.format));
    return;
  }
  std::error_code ignored;
  if (std::filesystem::is_directory(options_.path, ignored)) {
    throw Error(ErrorKind::kUsage, options_.path + ": expected a file to write, found a directory");
  }
  const bool goes_on = ReadPart();
  part_.open(part(), goes_on ? std::ios::binary | std::ios::app : std::ios::binary);
  if (!part_) throw Error(ErrorKind::kUsage, options_.path + ": cannot be written");
  if (goes_on) return;
  part_ << Json{{"job", options_.job}}.dump(-1, ' ', false, Json::error_handler_t::replace) << "\n";
  part_.flush();
  Check(static_cast<bool>(part_), part());
}

// A line that was cut when the earlier run was ended counts for nothing, nor do the last ones where
// no pause followed: there the work does not begin again.
bool TranscriptFile::ReadPart() {
  std::error_code error;
  if (options_.restart || !std::filesystem::exists(part(), error)) return false;
  std::ifstream file(part(), std::ios::binary);
  std::string line;
  std::vector<std::streamoff> ends;  // of each segment's line
  std::streamoff head = 0;
  try {
    const bool ours = std::getline(file, line) && !options_.job.empty() &&
                      Json::parse(line).at("job") == options_.job;
    if (!ours) throw Error(ErrorKind::kUsage, "");
    head = file.tellg();
    while (std::getline(file, line) && !file.eof()) {
      segments_.push_back(SegmentFromJson(Json::parse(line)));
      ends.push_back(file.tellg());
    }
  } catch (const Json::exception&) {
    if (head == 0) ends.clear();
  } catch (const Error&) {
  }
  if (head == 0) {
    throw Error(ErrorKind::kUsage, part() +
                                       ": is there already, and not of this work (recording, "
                                       "model and options); --restart replaces it");
  }
  while (!segments_.empty() && segments_.back().goes_on) {
    segments_.pop_back();
    ends.pop_back();
  }
  file.close();
  std::filesystem::resize_file(part(), static_cast<uintmax_t>(ends.empty() ? head : ends.back()),
                               error);
  Check(!error, part());
  return true;
}

void TranscriptFile::Check(bool good, const std::string& path) const {
  if (!good) throw Error(ErrorKind::kResources, path + ": cannot be written");
}

bool TranscriptFile::Add(const Segment& segment) {
  ++count_;
  // Lines that were put out need not be kept.
  if (!options_.path.empty() || options_.format == TranscriptFormat::kJson) {
    segments_.push_back(segment);
  }
  if (options_.path.empty()) {
    const std::string entry =
        TranscriptEntry(options_.format, count_ - 1, segment, options_.with_times);
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
