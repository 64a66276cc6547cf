// SPDX-License-Identifier: Apache-2.0
// A pipe -> a file without a name, for readers that go back and forth.
#pragma once

#include <cstdint>
#include <string>

#include "media/byte_source.h"

namespace gemma3n {

// Copies all that comes into a temporary file in TMPDIR, else /var/tmp, else /tmp, which is gone
// with its descriptor. Throws Error: kMedia when it is more than `most_bytes`, kResources when
// there is no room.
InputFile Spool(ByteSource& source, const std::string& name, uint64_t most_bytes);

}  // namespace gemma3n
