// SPDX-License-Identifier: Apache-2.0
// A form is the same however it is cut into pieces. The first byte says where.
#include "server/multipart.h"

#include <cstdint>
#include <cstdlib>

namespace {

using namespace gemma3n::server;

// What was read, or why it was not.
std::string Read(std::string_view body, size_t step) {
  const auto budget = std::make_shared<DiskBudget>(1 << 20);
  MultipartForm form("b", {}, budget);
  std::string found;
  try {
    for (size_t at = 0; at < body.size(); at += step) form.Take(body.substr(at, step));
    form.End();
  } catch (const Refusal& refusal) {
    return "refused";  // of several reasons the one that is met first
  }
  for (const FormField& field : form.fields()) found += field.name + "\n" + field.value + "\n";
  for (const FormFile& file : form.files()) {
    if (file.label.find('/') != std::string::npos) std::abort();
    found += file.name + "\n" + file.label + "\n" + file.bytes->Text() + "\n";
  }
  if (form.fields().size() + form.files().size() > gemma3n::FormLimits().parts) std::abort();
  return found;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string_view body(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (Read(body, body.size() + 1) != Read(body, data[0] % 64 + 1)) std::abort();
  const std::string type(body);
  try {
    if (BoundaryOf(type).size() > 70) std::abort();
  } catch (const Refusal&) {
  }
  return 0;
}
