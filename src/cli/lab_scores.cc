// SPDX-License-Identifier: Apache-2.0
#include "cli/lab_scores.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "cli/lab_cost.h"
#include "gemma3n/error.h"

namespace gemma3n::cli {
namespace {

constexpr char kFormat[] = "gemma3n lab scores 1";

Quality Means(const std::vector<PassageScore>& scores, const LabData& data, bool divergence) {
  PassageScore sums[2];
  for (size_t i = 0; i < scores.size(); ++i) {
    PassageScore& sum = sums[data.passages[i].held_out ? 1 : 0];
    sum.tokens += scores[i].tokens;
    sum.negative_log_likelihood += scores[i].negative_log_likelihood;
    sum.divergence += scores[i].divergence;
  }
  Quality quality;
  const auto mean = [](const PassageScore& sum, double PassageScore::*field) {
    return sum.*field / static_cast<double>(std::max<int64_t>(sum.tokens, 1));
  };
  quality.loss = mean(sums[0], &PassageScore::negative_log_likelihood);
  if (divergence) quality.divergence = mean(sums[0], &PassageScore::divergence);
  if (sums[1].tokens == 0) return quality;
  quality.held_out_loss = mean(sums[1], &PassageScore::negative_log_likelihood);
  if (divergence) quality.held_out_divergence = mean(sums[1], &PassageScore::divergence);
  return quality;
}

}  // namespace

ScoreBook::ScoreBook(std::string file, std::string key, bool restart)
    : file_(std::move(file)), key_(std::move(key)) {
  std::error_code ignored;
  if (file_.empty() || restart || !std::filesystem::exists(file_, ignored)) return;
  try {
    Read();
  } catch (const nlohmann::json::exception&) {
    throw Error(ErrorKind::kUsage, file_ +
                                       ": expected scores of an earlier run, found something "
                                       "else; --restart writes over it");
  }
}

void ScoreBook::Read() {
  std::ifstream stream(file_);
  const nlohmann::json json = nlohmann::json::parse(stream);
  if (json.at("format") != kFormat || json.at("of") != key_) {
    throw Error(ErrorKind::kUsage,
                file_ +
                    ": holds scores of another model, other data or other options; --restart "
                    "forgets them, --state FILE keeps these elsewhere");
  }
  for (const nlohmann::json& each : json.at("scores")) {
    Quality quality{.loss = each.at("nll")};
    const auto optional = [&](const char* name, std::optional<double>& value) {
      if (each.contains(name)) value = each.at(name).get<double>();
    };
    optional("kl", quality.divergence);
    optional("held_out_nll", quality.held_out_loss);
    optional("held_out_kl", quality.held_out_divergence);
    known_[each.at("ffn_widths").get<Widths>()] = quality;
  }
}

// Under another name first: a run that is ended in the middle leaves the earlier file.
void ScoreBook::Write() const {
  if (file_.empty()) return;
  nlohmann::ordered_json scores = nlohmann::ordered_json::array();
  for (const auto& [widths, quality] : known_) {
    nlohmann::ordered_json each = {{"ffn_widths", widths}, {"nll", quality.loss}};
    if (quality.divergence) each["kl"] = *quality.divergence;
    if (quality.held_out_loss) each["held_out_nll"] = *quality.held_out_loss;
    if (quality.held_out_divergence) each["held_out_kl"] = *quality.held_out_divergence;
    scores.push_back(std::move(each));
  }
  WriteWhole(
      file_,
      nlohmann::ordered_json{{"format", kFormat}, {"of", key_}, {"scores", scores}}.dump() + "\n");
}

std::optional<std::vector<Quality>> ScoreBook::Score(Lab& lab, const LabData& data,
                                                     std::span<const Widths> sizes,
                                                     const ProgressCallback& on_progress) {
  std::vector<ModelSize> wanted;
  for (const Widths& widths : sizes) {
    if (!known_.contains(widths)) wanted.push_back(SizeOf(widths, ""));
  }
  if (!wanted.empty()) {
    const auto scores = lab.Score(wanted, on_progress);
    if (!scores) return std::nullopt;
    for (size_t i = 0; i < wanted.size(); ++i) {
      known_[WidthsOf(wanted[i], lab.layers().size())] =
          Means((*scores)[i], data, lab.has_divergence());
    }
    Write();
  }
  std::vector<Quality> qualities;
  for (const Widths& widths : sizes) qualities.push_back(known_.at(widths));
  return qualities;
}

void WriteWhole(const std::string& path, const std::string& content) {
  const std::string temporary = path + ".part";
  std::ofstream stream(temporary, std::ios::binary);
  stream << content;
  stream.close();
  std::error_code error;
  if (stream) std::filesystem::rename(temporary, path, error);
  if (stream && !error) return;
  std::filesystem::remove(temporary, error);
  throw Error(ErrorKind::kUsage, path + ": cannot be written");
}

void CheckWritable(const std::string& path) {
  const std::string temporary = path + ".part";
  std::error_code error;
  const bool opens = std::ofstream(temporary, std::ios::binary).is_open();
  if (opens) std::filesystem::remove(temporary, error);
  if (opens && !std::filesystem::is_directory(path, error)) return;
  throw Error(ErrorKind::kUsage, path + ": cannot be written");
}

}  // namespace gemma3n::cli
