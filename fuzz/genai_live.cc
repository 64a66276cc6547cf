// SPDX-License-Identifier: Apache-2.0
// Messages of clients of Google's Live, a line each.
#include "lines_socket.h"
#include "request_service.h"
#include "server/genai/live_session.h"

using namespace gemma3n::server;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static LiveHandles handles;
  LinesSocket socket({reinterpret_cast<const char*>(data), size});
  GenAiLiveSession(RequestService(), {"owner", ""}, socket, handles).Run();
  return 0;
}
