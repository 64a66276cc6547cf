// SPDX-License-Identifier: Apache-2.0
// The whole job: a film in a descriptor -> records.
#pragma once

#include <cstdint>

#include "media_process/job.h"
#include "media_process/records.h"

namespace gemma3n {

// Writes kFilm, then frames and sound as they are decoded, then kDone. Throws DecoderError and
// std::bad_alloc; records written before then stand.
void DecodeFilm(int fd, int64_t size, const Job& job, RecordWriter& out);

}  // namespace gemma3n
