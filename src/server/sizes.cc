// SPDX-License-Identifier: Apache-2.0
#include "server/sizes.h"

#include <algorithm>
#include <set>

#include "gemma3n/error.h"
#include "gemma3n/lab.h"

namespace gemma3n::server {
namespace {

constexpr size_t kMostBytes = 2048;  // of a size's name: each layer of its own width fits

// "0-3,5" of the layers that have this width.
std::string LayersWith(const std::vector<int64_t>& widths, int64_t width) {
  std::string text;
  for (size_t begin = 0; begin < widths.size();) {
    size_t end = begin;
    while (end < widths.size() && widths[end] == width) ++end;
    if (end > begin) {
      text += (text.empty() ? "" : ",") + std::to_string(begin);
      if (end > begin + 1) text += "-" + std::to_string(end - 1);
    }
    begin = std::max(end, begin + 1);
  }
  return text;
}

}  // namespace

std::optional<ModelSize> ReadSize(const Field& field, const Service& service) {
  if (!field.present()) return std::nullopt;
  const std::string& name = field.Text();
  // Files are the server's own, not for clients to name.
  if (name.empty() || name.size() > kMostBytes || name.find('/') != std::string::npos ||
      name.ends_with(".json")) {
    throw Refusal(Reason::kInvalidValue,
                  field.path() + ": expected the name of a size, such as \"full\", found '" +
                      Shown(name) + "'",
                  field.path());
  }
  try {
    return service.engine.ParseSize(name);
  } catch (const Error& error) {
    throw Refusal(Reason::kInvalidValue, field.path() + ": " + error.what(), field.path());
  }
}

std::vector<OfferedSize> OfferedSizes(Engine& engine) {
  const ModelSize full = engine.ParseSize("full");
  std::vector<OfferedSize> offered;
  const auto offer = [&](const ModelSize& size, std::string name, const char* kind) {
    offered.push_back({std::move(name), size.name, engine.FactsOf(size),
                       static_cast<int64_t>(size.layers.size()), kind});
  };
  offer(full, "full", "full");
  const std::unique_ptr<Lab> lab = engine.NewLab();  // which the list belongs to
  for (const PublishedSize& published : lab->published()) {
    if (!(published.size == full)) offer(published.size, published.size.name, "published");
  }
  if (offered.size() == 1) {
    for (const ModelSize& rung : engine.Ladder(full)) {
      if (rung == full) continue;
      offer(rung, WidthsAsText(WidthsOf(rung, full.layers.size())), "ladder");
    }
  }
  std::stable_sort(offered.begin() + 1, offered.end(), [](const auto& a, const auto& b) {
    return a.facts.effective_parameters > b.facts.effective_parameters;
  });
  return offered;
}

std::string WidthsAsText(const std::vector<int64_t>& widths) {
  const std::set<int64_t, std::greater<>> different(widths.begin(), widths.end());
  std::string text;
  for (const int64_t width : different) {
    if (!text.empty()) text += " ";
    text += width == 0 ? "skip=" : "ffn=" + std::to_string(width) + "@";
    text += LayersWith(widths, width);
  }
  return text;
}

std::vector<int64_t> WidthsOf(const ModelSize& size, size_t layers) {
  std::vector<int64_t> widths(layers, 0);
  for (size_t i = 0; i < size.layers.size(); ++i) {
    widths.at(static_cast<size_t>(size.layers[i])) = size.intermediate_size[i];
  }
  return widths;
}

}  // namespace gemma3n::server
