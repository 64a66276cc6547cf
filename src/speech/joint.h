// SPDX-License-Identifier: Apache-2.0
// Two texts of pieces of speech that overlap -> one, in which no word stands twice.
#pragma once

#include <string>
#include <utility>

namespace gemma3n {

// The first text without its end and the second without its beginning, cut where both say the same
// words; letter case and marks between words do not count. At most the last and the first `most`
// words are looked at. Unchanged where they have nothing in common.
std::pair<std::string, std::string> Join(const std::string& before, const std::string& after,
                                         size_t most = 12);

}  // namespace gemma3n
