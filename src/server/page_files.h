// SPDX-License-Identifier: Apache-2.0
// The files of the page, as web/build.mjs puts them into the program; none in a build without it.
#pragma once

#include <span>
#include <string_view>

namespace gemma3n::server {

struct PageFile {
  std::string_view path;  // "/" and below "/page/"
  std::string_view content_type;
  std::string_view etag;  // strong, with its quotation marks
  std::string_view bytes;
};

std::span<const PageFile> PageFiles();

}  // namespace gemma3n::server
