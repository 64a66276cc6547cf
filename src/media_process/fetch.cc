// SPDX-License-Identifier: Apache-2.0
#include "media_process/fetch.h"

#include <unistd.h>

#include <cerrno>

#include "media_process/libav.h"

namespace gemma3n {
namespace {

constexpr const char* kProtocols = "http,https,tcp,tls,udp";
constexpr int kPieceBytes = 64 << 10;
constexpr const char* kSilence_us = "15000000";  // of a server, before it counts as gone

FetchEnd OpeningFailure(int error) {
  switch (error) {
    case AVERROR_HTTP_BAD_REQUEST:
    case AVERROR_HTTP_UNAUTHORIZED:
    case AVERROR_HTTP_FORBIDDEN:
    case AVERROR_HTTP_NOT_FOUND:
#ifdef AVERROR_HTTP_TOO_MANY_REQUESTS  // FFmpeg 7
    case AVERROR_HTTP_TOO_MANY_REQUESTS:
#endif
    case AVERROR_HTTP_OTHER_4XX:
      return FetchEnd::kRefused;
    case AVERROR_HTTP_SERVER_ERROR:
      return FetchEnd::kServer;
    default:
      return FetchEnd::kUnreachable;
  }
}

bool WriteAll(int to, const uint8_t* bytes, int count) {
  while (count > 0) {
    const ssize_t wrote = write(to, bytes, static_cast<size_t>(count));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return false;
    bytes += wrote;
    count -= static_cast<int>(wrote);
  }
  return true;
}

}  // namespace

FetchEnd Fetch(const std::string& url, int to) {
  avformat_network_init();
  AVDictionary* options = nullptr;
  av_dict_set(&options, "protocol_whitelist", kProtocols, 0);
  av_dict_set(&options, "tls_verify", "1", 0);
  av_dict_set(&options, "rw_timeout", kSilence_us, 0);
  AVIOContext* source = nullptr;
  const int opened = avio_open2(&source, url.c_str(), AVIO_FLAG_READ, nullptr, &options);
  av_dict_free(&options);
  if (opened < 0) return OpeningFailure(opened);
  uint8_t piece[kPieceBytes];
  for (;;) {
    const int got = avio_read_partial(source, piece, sizeof piece);
    // Of an answer whose length was not said, FFmpeg takes every end for one that came too soon.
    const bool open_end = got == AVERROR(EIO) && avio_size(source) < 0;
    if (got == AVERROR_EOF || got == 0 || open_end) return FetchEnd::kAll;
    if (got < 0) return FetchEnd::kBrokeOff;
    if (!WriteAll(to, piece, got)) return FetchEnd::kAll;  // nobody wants more
  }
}

}  // namespace gemma3n
