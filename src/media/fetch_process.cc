// SPDX-License-Identifier: Apache-2.0
#include "media/fetch_process.h"

#include <fcntl.h>
#include <sys/wait.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <csignal>
#include <string_view>

#include "media/decoder_process.h"
#include "media/decoder_protocol.h"
#include "media/media_error.h"

namespace gemma3n {
namespace {

constexpr std::array<std::string_view, 4> kSchemes = {"http", "https", "tcp", "udp"};

// The address with its scheme in small letters, if it is one of ours.
std::string CheckedUrl(const std::string& url) {
  const size_t end = url.find("://");
  std::string scheme = end == std::string::npos ? "" : url.substr(0, end);
  for (char& c : scheme) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  if (std::find(kSchemes.begin(), kSchemes.end(), scheme) != kSchemes.end())
    return scheme + url.substr(end);
  ThrowMedia(url,
             "expected an address of http, https, tcp or udp; of other kinds `ffmpeg -i ... "
             "-f mpegts -` makes a pipe that can be read");
}

// Null: all was read, or we did not want any more.
const char* EndText(int status, bool killed) {
  constexpr const char* kDied = "its reader ended without a word";
  if (killed) return nullptr;
  // SIGPIPE: who reads its bytes ended first.
  if (!WIFEXITED(status)) return WTERMSIG(status) == SIGPIPE ? nullptr : kDied;
  switch (static_cast<FetchEnd>(WEXITSTATUS(status))) {
    case FetchEnd::kUnreachable:
      return "cannot be reached: no such host, nobody answers there, or its certificate does not "
             "hold";
    case FetchEnd::kRefused:
      return "the server refuses it: there is no such thing, or it is not for us";
    case FetchEnd::kServer:
      return "the server has an error of its own";
    case FetchEnd::kBrokeOff:
      return "the connection broke off";
    case FetchEnd::kAll:
      return nullptr;
  }
  return kDied;
}

}  // namespace

std::unique_ptr<ChildProcess> StartFetch(const std::string& url, const MediaOptions& options) {
  const std::string checked = CheckedUrl(url);
  const std::string program = DecoderProgram(url, "an address", options);
  return std::make_unique<ChildProcess>(
      std::vector<std::string>{program, "--url", checked, "--memory-bytes",
                               std::to_string(options.limits.decoder_memory_bytes)},
      Descriptor(open("/dev/null", O_RDONLY | O_CLOEXEC)));
}

std::optional<Error> FetchFailure(const std::string& url, ChildProcess& fetch,
                                  std::optional<Error> reading) {
  const int status = fetch.Wait();
  const char* text = EndText(status, fetch.killed());
  return text == nullptr ? reading : Error(ErrorKind::kMedia, url + ": " + text);
}

}  // namespace gemma3n
