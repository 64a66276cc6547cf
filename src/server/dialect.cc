// SPDX-License-Identifier: Apache-2.0
#include "server/dialect.h"

#include "server/url.h"

namespace gemma3n::server {

std::optional<std::string> Match(std::string_view pattern, std::string_view path) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) {
    return path == pattern ? std::optional(std::string()) : std::nullopt;
  }
  const std::string_view before = pattern.substr(0, star), behind = pattern.substr(star + 1);
  if (path.size() <= before.size() + behind.size() || !path.starts_with(before) ||
      !path.ends_with(behind)) {
    return std::nullopt;
  }
  return PercentDecoded(path.substr(before.size(), path.size() - before.size() - behind.size()));
}

}  // namespace gemma3n::server
