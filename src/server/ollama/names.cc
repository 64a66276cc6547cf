// SPDX-License-Identifier: Apache-2.0
#include "server/ollama/names.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <system_error>

#include "gemma3n/error.h"
#include "server/answer_json.h"
#include "server/ollama/options.h"

namespace gemma3n::server {
namespace {

namespace fs = std::filesystem;
using WallClock = std::chrono::system_clock;

constexpr size_t kMostNames = 64, kMostNameBytes = 128;

fs::path FileIn(const fs::path& state) {
  return state / "ollama-names.json";
}

void CheckName(const std::string& name) {
  const bool plain = std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) || c == '.' || c == '_' || c == '-' || c == '/' || c == ':';
  });
  if (plain && !name.empty() && name.size() <= kMostNameBytes && std::isalnum(name[0])) return;
  throw Refusal(Reason::kInvalidValue,
                "model: expected a name of letters, digits, '.', '_', '-', '/' and ':', found '" +
                    Shown(name) + "'",
                "model");
}

Json ToJson(const OllamaName& one) {
  return {{"name", one.name},
          {"parent", one.parent},
          {"system", one.system},
          {"options", Json::parse(one.options)},
          {"modified_at", WallClock::to_time_t(one.modified_at)}};
}

OllamaName FromJson(const Field& one, const Service& service) {
  OllamaName name{.name = one["name"].Text(),
                  .parent = one["parent"].Text(),
                  .system = one["system"].Text(),
                  .options = JsonLine(one["options"].json())};
  CheckName(name.name);
  ReadOllamaOptions(one["options"], service);
  constexpr int64_t kMostSeconds = 1ll << 33;
  name.modified_at =
      WallClock::from_time_t(one["modified_at"].Integer(0, kMostSeconds).value_or(0));
  return name;
}

}  // namespace

OllamaNames::OllamaNames(const Service& service) : service_(service) {
  if (!service_.options.state_directory.empty()) Read();
}

std::vector<std::string> OllamaNames::Served() const {
  std::vector<std::string> names;
  for (const std::string& name : service_.ModelNames()) names.push_back(WithTag(name));
  return names;
}

OllamaName OllamaNames::Find(const std::string& name) const {
  const std::string full = WithTag(name);
  for (const OllamaName& one : All()) {
    if (one.name == full) return one;
  }
  std::string known;
  for (const OllamaName& one : All()) known += (known.empty() ? "" : ", ") + one.name;
  throw Refusal(Reason::kModelNotFound,
                "model '" + Shown(name) + "' not found; served here: " + known, "model");
}

std::vector<OllamaName> OllamaNames::All() const {
  std::vector<OllamaName> all;
  for (const std::string& name : Served()) {
    all.push_back({.name = name, .modified_at = service_.card->modified_at});
  }
  const std::lock_guard lock(mutex_);
  for (const auto& [name, one] : made_) all.push_back(one);
  return all;
}

void OllamaNames::Make(OllamaName made) {
  made.name = WithTag(made.name);
  made.modified_at = WallClock::now();
  CheckName(made.name);
  const std::vector<std::string> served = Served();
  if (std::find(served.begin(), served.end(), made.name) != served.end()) {
    throw Refusal(Reason::kInvalidValue,
                  "model: '" + made.name + "' is a name that the model is served under", "model");
  }
  const std::lock_guard lock(mutex_);
  std::map<std::string, OllamaName> names = made_;
  names[made.name] = std::move(made);
  if (names.size() > kMostNames) {
    throw Refusal(Reason::kInvalidValue,
                  "model: there are " + std::to_string(kMostNames) +
                      " names already; delete one of them first",
                  "model");
  }
  Save(names);
  made_ = std::move(names);
}

void OllamaNames::Copy(const std::string& source, const std::string& destination) {
  OllamaName copy = Find(source);
  copy.parent = copy.name;
  copy.name = destination;
  Make(std::move(copy));
}

void OllamaNames::Delete(const std::string& name) {
  const OllamaName found = Find(name);
  const std::lock_guard lock(mutex_);
  std::map<std::string, OllamaName> names = made_;
  if (names.erase(found.name) == 0) {
    throw Refusal(Reason::kInvalidValue,
                  "model: '" + found.name +
                      "' is a name that the model is served under; only names that were made by "
                      "create and copy can be deleted",
                  "model");
  }
  Save(names);
  made_ = std::move(names);
}

void OllamaNames::Read() {
  const fs::path path = FileIn(service_.options.state_directory);
  std::ifstream file(path, std::ios::binary);
  if (!file) return;  // nothing was made yet
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  try {
    const Json json = ParseJson(text);
    for (const Field& one : Field(json, "")["names"].Items(kMostNames)) {
      OllamaName name = FromJson(one, service_);
      made_[name.name] = std::move(name);
    }
  } catch (const Refusal& refusal) {
    throw Error(ErrorKind::kResources, path.string() + ": " + refusal.what());
  }
}

// The file is there as a whole or as it was before.
void OllamaNames::Save(const std::map<std::string, OllamaName>& made) const {
  if (service_.options.state_directory.empty()) return;
  Json names = Json::array();
  for (const auto& [name, one] : made) names.push_back(ToJson(one));
  const fs::path path = FileIn(service_.options.state_directory);
  const fs::path part = path.string() + ".part";
  std::error_code error;
  fs::create_directories(path.parent_path(), error);
  std::ofstream file(part, std::ios::binary | std::ios::trunc);
  file << JsonLine({{"names", std::move(names)}}) << "\n";
  file.close();
  if (file) fs::rename(part, path, error);
  if (file && !error) return;
  throw Error(ErrorKind::kInternal, path.string() + ": it cannot be written");
}

}  // namespace gemma3n::server
