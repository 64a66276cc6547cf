// SPDX-License-Identifier: Apache-2.0
// Chats in OpenAI's dialect are refused or become asks.
#include "request_service.h"
#include "server/openai/request.h"

using namespace gemma3n::server;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return FuzzRequest(data, size,
                     [](const Field& body) { ReadChatCall(body, RequestService(), "owner"); });
}
