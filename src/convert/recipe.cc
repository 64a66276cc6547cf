// SPDX-License-Identifier: Apache-2.0
#include "convert/recipe.h"

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "checkpoint/json_value.h"
#include "gemma3n/error.h"

namespace gemma3n {
namespace {

constexpr uint64_t kMostBytes = 4 << 20;

std::optional<Bits> ParseBits(const std::string& name) {
  if (name == "q4") return Bits::kFour;
  if (name == "q8") return Bits::kEight;
  if (name == "bf16") return Bits::kAsStored;
  return std::nullopt;
}

const char* NameOf(Bits bits) {
  return bits == Bits::kFour ? "q4" : bits == Bits::kEight ? "q8" : "bf16";
}

// A field that is no member of the format is a slip of the pen, too.
void CheckKeys(const JsonValue& object, std::initializer_list<const char*> known) {
  for (const std::string& key : object.Keys()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    throw Error(ErrorKind::kUsage, object.Where() + ": expected no field '" + key + "'");
  }
}

Bits ReadBits(const JsonValue& value) {
  const std::optional<Bits> bits = ParseBits(value.String());
  if (!bits) value.Fail("q4, q8 or bf16");
  return *bits;
}

}  // namespace

bool Fits(const std::string& pattern, const std::string& text) {
  // Where a star was met last, and how much of the text it has taken.
  size_t p = 0, t = 0, star = std::string::npos, taken = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      taken = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (star != std::string::npos) {
      p = star + 1;
      t = ++taken;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

bool IsTouchy(const std::string& tensor) {
  static constexpr const char* kParts[] = {
      "k_proj.",
      "v_proj.",
      "laurel.",
      "per_layer_input_gate.",
      "per_layer_projection.",
      "per_layer_model_projection.",
      "altup_projections.",
      "altup_unembed_projections.",
      "embedding_projection.",
  };
  return std::any_of(std::begin(kParts), std::end(kParts),
                     [&](const char* part) { return tensor.find(part) != std::string::npos; });
}

Recipe Recipe::Load(const std::string& recipe) {
  Recipe result;
  result.name_ = recipe;
  if (ParseBits(recipe)) {
    result.otherwise_ = recipe;
    return result;
  }
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(recipe, ignored)) {
    throw Error(ErrorKind::kUsage,
                "recipe: expected q4, q8, bf16 or a file of rules, found " + recipe);
  }
  const JsonValue file = JsonValue::Load(recipe, kMostBytes);
  CheckKeys(file, {"rules", "otherwise"});
  for (const JsonValue& rule : file["rules"].Items()) {
    CheckKeys(rule, {"tensors", "as"});
    result.rules_.push_back({rule["tensors"].String(), ReadBits(rule["as"])});
  }
  if (file.Has("otherwise")) result.otherwise_ = NameOf(ReadBits(file["otherwise"]));
  return result;
}

Recipe Recipe::Of(std::map<std::string, Bits> bits) {
  Recipe result;
  result.named_ = std::move(bits);
  return result;
}

Bits Recipe::BitsOf(const std::string& tensor) const {
  for (const Rule& rule : rules_) {
    if (Fits(rule.pattern, tensor)) return rule.bits;
  }
  if (const auto found = named_.find(tensor); found != named_.end()) return found->second;
  const Bits bits = *ParseBits(otherwise_);
  return bits == Bits::kFour && IsTouchy(tensor) ? Bits::kEight : bits;
}

void Recipe::CheckRules(const std::vector<std::string>& tensors) const {
  for (size_t i = 0; i < rules_.size(); ++i) {
    const bool used = std::any_of(tensors.begin(), tensors.end(), [&](const std::string& tensor) {
      return Fits(rules_[i].pattern, tensor);
    });
    if (used) continue;
    throw Error(ErrorKind::kUsage, name_ + ": rules[" + std::to_string(i) +
                                       "].tensors: expected a pattern that fits "
                                       "a matrix which can be quantized, found '" +
                                       rules_[i].pattern + "'");
  }
}

void Recipe::Save(const std::filesystem::path& path) const {
  nlohmann::ordered_json rules = nlohmann::ordered_json::array();
  for (const Rule& rule : rules_) {
    rules.push_back({{"tensors", rule.pattern}, {"as", NameOf(rule.bits)}});
  }
  for (const auto& [tensor, bits] : named_) {
    rules.push_back({{"tensors", tensor}, {"as", NameOf(bits)}});
  }
  std::ofstream file(path, std::ios::binary);
  file << nlohmann::ordered_json{{"rules", rules}, {"otherwise", otherwise_}}.dump(1) << "\n";
  file.close();
  if (!file) throw Error(ErrorKind::kResources, path.string() + ": cannot be written");
}

}  // namespace gemma3n
