// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "gemma3n/constraint.h"

namespace gemma3n::cli {

// What a file with a JSON schema lets through. Throws Error (kUsage) that names the file and the
// place in it.
std::shared_ptr<const Constraint> ReadSchema(const std::string& path);

}  // namespace gemma3n::cli
