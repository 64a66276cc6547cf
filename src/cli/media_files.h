// SPDX-License-Identifier: Apache-2.0
// What words of a command line mean as files of media.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "gemma3n/media.h"

namespace gemma3n::cli {

// By its first bytes; kUnknown for what cannot be read.
MediaKind KindOf(const std::string& path);

// A word that can only be the name of a media file: no spaces, and an ending of one.
bool LooksLikeMedia(const std::string& word);

// The files of these kinds in a folder, at any depth, by name. Throws Error (kMedia) where there is
// none; `what` says in words what was looked for.
std::vector<std::string> FilesIn(const std::string& folder, const std::set<MediaKind>& kinds,
                                 const std::string& what);

}  // namespace gemma3n::cli
