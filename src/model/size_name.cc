// SPDX-License-Identifier: Apache-2.0
#include "model/size_name.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <sstream>

#include "checkpoint/json_value.h"
#include "gemma3n/error.h"
#include "model/matformer_presets.h"

namespace gemma3n {
namespace {

constexpr uint64_t kMostFileBytes = 1 << 20;

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

[[noreturn]] void Refuse(const std::string& why) {
  throw Error(ErrorKind::kUsage, "size: " + why);
}

// The whole text as a number that is not negative.
template <class Number>
std::optional<Number> AsNumber(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || !(number >= 0)) {
    return std::nullopt;
  }
  return number;
}

bool HasPresets(const TextConfig& config) {
  return config.num_hidden_layers == kPresetLayers &&
         std::all_of(config.intermediate_size.begin(), config.intermediate_size.end(),
                     [](int64_t width) { return width == kPresetWidth; });
}

NamedShape OfPreset(const MatformerPreset& preset) {
  NamedShape size{preset.name, {}};
  for (int layer = 0; layer < kPresetLayers; ++layer) {
    if (preset.layers[layer] == '-') continue;
    size.shape.layers.push_back(layer);
    size.shape.intermediate_size.push_back(preset.layers[layer] == 'W' ? kPresetWidth
                                                                       : kPresetWidth / 2);
  }
  return size;
}

std::string PublishedNames() {
  std::string names;
  for (const MatformerPreset& preset : MatformerPresets()) {
    names += (names.empty() ? "'" : ", '") + std::string(preset.name) + "'";
  }
  return names;
}

// "E2.98B" for "E2.98B (block-level)", "e2b" and "e4b" for the two that were released as models.
bool IsNameOf(const std::string& text, const MatformerPreset& preset) {
  const std::string name = Lower(preset.name);
  if (text == name || text == name.substr(0, name.find(" ("))) return true;
  return (text == "e4b" && name == "main model") || (text == "e2b" && name == "official e2b model");
}

std::optional<NamedShape> FindPreset(const std::string& text) {
  std::vector<const MatformerPreset*> found;
  for (const MatformerPreset& preset : MatformerPresets()) {
    if (IsNameOf(text, preset)) found.push_back(&preset);
  }
  if (found.empty()) return std::nullopt;
  if (found.size() > 1) {
    Refuse("'" + text + "' is the name of two: '" + found[0]->name + "' and '" + found[1]->name +
           "'");
  }
  return OfPreset(*found[0]);
}

// "2.54b"
std::optional<NamedShape> FindBySize(const std::string& text) {
  if (text.empty() || text.back() != 'b') return std::nullopt;
  const auto billions = AsNumber<double>(std::string_view(text).substr(0, text.size() - 1));
  if (!billions) return std::nullopt;
  constexpr double kRounding = 0.005;  // names have two digits
  const MatformerPreset* best = nullptr;
  for (const MatformerPreset& preset : MatformerPresets()) {  // of equal ones the smallest
    if (preset.billions > *billions + kRounding) continue;
    if (best == nullptr || preset.mmlu_percent >= best->mmlu_percent) best = &preset;
  }
  if (best == nullptr) {
    Refuse("expected at least " + std::string(MatformerPresets().back().name) +
           ", the smallest published size, found " + text);
  }
  return OfPreset(*best);
}

// "4,20-24" -> the numbers; a layer that the model does not have is refused.
std::vector<int> ParseLayers(const std::string& text, const TextConfig& config) {
  std::vector<int> layers;
  std::istringstream parts(text);
  for (std::string part; std::getline(parts, part, ',');) {
    const size_t dash = part.find('-');
    const auto first = AsNumber<int>(part.substr(0, dash));
    const auto last = dash == std::string::npos ? first : AsNumber<int>(part.substr(dash + 1));
    if (!first || !last || *last < *first) {
      Refuse("expected layers like 4,20-24, found '" + text + "'");
    }
    if (*last >= config.num_hidden_layers) {
      Refuse("layer " + std::to_string(*last) + ": the model has layers 0 to " +
             std::to_string(config.num_hidden_layers - 1));
    }
    for (int layer = *first; layer <= *last; ++layer) layers.push_back(layer);
  }
  if (layers.empty()) Refuse("expected layers like 4,20-24, found '" + text + "'");
  return layers;
}

// "ffn=8192 ffn=16384@4,20-24 skip=20-24", in order.
NamedShape ParseWords(const std::string& text, const TextConfig& config) {
  std::vector<int64_t> widths = config.intermediate_size;
  std::vector<bool> kept(widths.size(), true);
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    const size_t equals = word.find('=');
    const std::string key = word.substr(0, equals);
    const std::string value = equals == std::string::npos ? "" : word.substr(equals + 1);
    if (key == "skip") {
      for (int layer : ParseLayers(value, config)) kept[layer] = false;
    } else if (key == "ffn") {
      const size_t at = value.find('@');
      const auto width = AsNumber<int64_t>(value.substr(0, at));
      if (!width) Refuse("expected ffn=WIDTH or ffn=WIDTH@LAYERS, found '" + word + "'");
      if (at == std::string::npos) {
        std::fill(widths.begin(), widths.end(), *width);
      } else {
        for (int layer : ParseLayers(value.substr(at + 1), config)) widths[layer] = *width;
      }
    } else {
      Refuse("expected ffn=... or skip=..., found '" + word + "'");
    }
  }
  NamedShape size{text, {}};
  for (size_t layer = 0; layer < widths.size(); ++layer) {
    if (!kept[layer]) continue;
    size.shape.layers.push_back(static_cast<int>(layer));
    size.shape.intermediate_size.push_back(widths[layer]);
  }
  return size;
}

NamedShape ReadFile(const std::string& path, const TextConfig& config) {
  const JsonValue root = JsonValue::Load(path, kMostFileBytes);
  const JsonValue json = root.Has("size") ? root["size"] : root;
  std::vector<bool> kept(config.intermediate_size.size(), true);
  if (json.Has("skipped_layers")) {
    for (const JsonValue& layer : json["skipped_layers"].Items()) {
      kept[layer.Int(0, config.num_hidden_layers - 1)] = false;
    }
  }
  NamedShape size{json["name"].StringOr(path), {}};
  const JsonValue widths = json["ffn_widths"];
  const std::vector<JsonValue> items = widths.Items();
  const size_t layers = std::count(kept.begin(), kept.end(), true);
  if (items.size() != layers) {
    widths.Fail(std::to_string(layers) + " numbers, one for each layer that is kept");
  }
  for (size_t layer = 0; layer < kept.size(); ++layer) {
    if (!kept[layer]) continue;
    size.shape.intermediate_size.push_back(items[size.shape.layers.size()].Int(1));
    size.shape.layers.push_back(static_cast<int>(layer));
  }
  return size;
}

// A checkpoint of E2B's shape is E2B.
bool IsItself(const std::string& name, const TextConfig& config) {
  return name == "e2b" && config.num_hidden_layers == 30 &&
         std::all_of(config.intermediate_size.begin(), config.intermediate_size.end(),
                     [](int64_t width) { return width == kPresetWidth / 2; });
}

}  // namespace

NamedShape ParseSize(const std::string& text, const TextConfig& config) {
  const std::string name = Lower(text);
  if (name.empty() || name == "full" || IsItself(name, config)) {
    return {"full", SubmodelShape::Full(config)};
  }
  if (name.size() > 5 && name.substr(name.size() - 5) == ".json") {
    try {
      return ReadFile(text, config);
    } catch (const Error& error) {
      throw Error(ErrorKind::kUsage, error.what());
    }
  }
  if (text.find('=') != std::string::npos) return ParseWords(text, config);
  const auto known = [&]() -> std::optional<NamedShape> {
    if (auto preset = FindPreset(name)) return preset;
    return FindBySize(name);
  }();
  if (!known) {
    Refuse("expected full, a published name (" + PublishedNames() +
           "), a number such as 2.54B, 'ffn=8192 skip=20-24', or a .json file, found '" + text +
           "'");
  }
  if (!HasPresets(config)) {
    Refuse("'" + text + "': published sizes are of 35 layers of 16384 neurons; this model has " +
           std::to_string(config.num_hidden_layers) + " of up to " +
           std::to_string(*std::max_element(config.intermediate_size.begin(),
                                            config.intermediate_size.end())) +
           "; say 'ffn=WIDTH skip=LAYERS'");
  }
  return *known;
}

std::string SizeAsJson(const NamedShape& size, const TextConfig& config) {
  std::vector<int> skipped;
  for (int layer = 0; layer < config.num_hidden_layers; ++layer) {
    const auto& kept = size.shape.layers;
    if (!std::binary_search(kept.begin(), kept.end(), layer)) skipped.push_back(layer);
  }
  const nlohmann::ordered_json json = {{"name", size.name},
                                       {"skipped_layers", skipped},
                                       {"ffn_widths", size.shape.intermediate_size}};
  return json.dump(2) + "\n";
}

}  // namespace gemma3n
