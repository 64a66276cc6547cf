// SPDX-License-Identifier: Apache-2.0
// Events of clients of OpenAI's Realtime, a line each. The first byte says how the session begins.
#include "lines_socket.h"
#include "request_service.h"
#include "server/openai/realtime_session.h"

using namespace gemma3n::server;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const Service& service = RequestService();
  LinesSocket socket({reinterpret_cast<const char*>(data + 1), size - 1});
  const auto spelling = data[0] % 2 == 0 ? RealtimeSpelling::kGa : RealtimeSpelling::kBeta;
  RealtimeSession(service, {"owner", ""}, socket,
                  DefaultRealtimeSettings(spelling, data[0] / 2 % 2 == 1, service))
      .Run();
  return 0;
}
