// SPDX-License-Identifier: Apache-2.0
// Requests in Ollama's dialect are refused or become asks, or names.
#include "request_service.h"
#include "server/ollama/manage.h"
#include "server/ollama/request.h"

using namespace gemma3n::server;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const OllamaNames names(RequestService());
  if (size == 0) return 0;
  return FuzzRequest(data + 1, size - 1, [&](const Field& body) {
    if (data[0] % 3 == 0) {
      ReadOllamaCall(OllamaKind::kChat, body, RequestService(), names, "owner");
    } else if (data[0] % 3 == 1) {
      ReadOllamaCall(OllamaKind::kGenerate, body, RequestService(), names, "owner");
    } else {
      ModelfileOf(ReadCreate(body, RequestService(), names), "nano");
    }
  });
}
