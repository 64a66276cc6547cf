// SPDX-License-Identifier: Apache-2.0
#include "cli/schema_file.h"

#include <filesystem>
#include <fstream>
#include <iterator>

#include "gemma3n/error.h"

namespace gemma3n::cli {

std::shared_ptr<const Constraint> ReadSchema(const std::string& path) {
  const ConstraintLimits limits;
  const auto refuse = [&](const std::string& why) {
    throw Error(ErrorKind::kUsage, path + ": " + why);
  };
  std::error_code error;
  if (!std::filesystem::is_regular_file(path, error)) {
    refuse("expected a file with a JSON schema, found none");
  }
  const uintmax_t bytes = std::filesystem::file_size(path, error);
  if (error || bytes > limits.schema_bytes) {
    refuse("expected at most " + std::to_string(limits.schema_bytes) + " bytes of JSON schema");
  }
  std::ifstream file(path, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  if (!file) refuse("cannot be read");
  try {
    return Constraint::FromJsonSchema(text, limits);
  } catch (const Error& bad) {
    refuse(bad.what());
  }
  return nullptr;
}

}  // namespace gemma3n::cli
