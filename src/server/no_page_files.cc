// SPDX-License-Identifier: Apache-2.0
// A build without the page (-DGEMMA3N_PAGE=OFF).
#include "server/page_files.h"

namespace gemma3n::server {

std::span<const PageFile> PageFiles() {
  return {};
}

}  // namespace gemma3n::server
