// SPDX-License-Identifier: Apache-2.0
// How far our numbers may be from those of a reference, with the reasons. Properties of our own
// (chunks, threads, rings) are not here: they hold bit for bit.
#pragma once

namespace gemma3n {

// Logits against Transformers in float32 or our NumPy pass: the largest difference over the largest
// magnitude. Both sides add the same terms in different orders; a dozen layers of norms leave 1e-6
// to 3e-5 of that.
inline constexpr double kLogitsTolerance = 1e-4;

}  // namespace gemma3n
