// SPDX-License-Identifier: Apache-2.0
// Who asks ("QUERY", fields, each on a line): nobody gets in by a name, an origin or a key that is
// not ours, and what is sent back keeps to its line.
#include "server/access.h"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <cstdlib>

using namespace gemma3n::server;

namespace {

constexpr char kKey[] = "key";

void Expect(bool holds) {
  if (!holds) std::abort();
}

template <class Check>
bool Passes(const Check& check) {
  try {
    check();
    return true;
  } catch (const Refusal& refusal) {
    for (const char* c = refusal.what(); *c != 0; ++c) Expect(*c >= ' ' || *c < 0);
    return false;
  }
}

// As http.cc lets it through: without control characters, and with one name of the host.
Request ReadRequest(std::string_view text) {
  Request request{.method = "POST", .path = "/", .peer = "peer"};
  for (bool first = true; !text.empty(); first = false) {
    std::string line(text.substr(0, text.find('\n')));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    std::erase_if(line, [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 127; });
    const size_t colon = line.find(": ");
    if (first) {
      request.query = line;
    } else if (colon != std::string::npos) {
      request.headers.emplace_back(line.substr(0, colon), line.substr(colon + 2));
    }
  }
  if (request.Find("Host") == nullptr) request.headers.emplace_back("Host", "localhost");
  return request;
}

void CheckName(const Access& access, const Request& request) {
  if (!Passes([&] { access.CheckHost(request); })) return;
  std::string host = *request.Find("Host");
  for (char& c : host) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  Expect(host.starts_with("127.") || host.starts_with("[") || host.starts_with("box.lan") ||
         host.find("localhost") != std::string::npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const gemma3n::ServerOptions options{
      .api_keys = {"other", kKey}, .host_names = {"box.lan"}, .origins = {"https://a.example"}};
  Access access(options, /*loopback_only=*/true);
  const Request request = ReadRequest({reinterpret_cast<const char*>(data), size});
  CheckName(access, request);
  const bool ours = Passes([&] { access.CheckOrigin(request); });
  const bool answered = !access.CrossOrigin(request).empty();
  Expect(answered == (ours && request.Find("Origin") != nullptr));
  Passes([&] { Access::CheckContentType(request); });
  std::string all = request.query;
  for (const auto& [name, value] : request.headers) all += "\n" + value;
  const bool has_key = all.find(kKey) != std::string::npos ||
                       all.find("other") != std::string::npos ||
                       request.query.find('%') != std::string::npos;
  Expect(!Passes([&] { access.CheckKey(request); }) || has_key);
  Expect(access.LogOut(request).find('\n') == std::string::npos);
  return 0;
}
