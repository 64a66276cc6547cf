// SPDX-License-Identifier: Apache-2.0
#include "cli/serve_limits.h"

#include <cstdio>
#include <variant>
#include <vector>

#include "cli/terminal.h"

namespace gemma3n::cli {
namespace {

// One limit: what it bounds, and the option that sets it. The names of the options are those of the
// table, so that neither can forget the other.
struct Limit {
  const char* what;
  const char* option;  // "": it is fixed
  const char* unit;    // "bytes", "seconds", "" for counts
  std::variant<uint64_t*, double*, int*> value;
  double least = 1, most = 0;
};

static_assert(std::is_same_v<size_t, uint64_t>);

std::vector<Limit> Settable(ServerOptions& options) {
  ServerLimits& limits = options.limits;
  constexpr double kGigabyte = 1 << 30, kDay = 86400;
  return {
      {"request line and headers together", "--max-header-bytes", "bytes", &limits.header_bytes,
       256, 1 << 20},
      {"request line, one header field", "--max-line-bytes", "bytes", &limits.line_bytes, 64,
       1 << 20},
      {"header fields", "--max-header-fields", "", &limits.header_fields, 1, 10000},
      {"time for the headers, and for TLS's handshake", "--header-seconds", "seconds",
       &limits.header_seconds, 0.1, kDay},
      {"time between requests", "--idle-seconds", "seconds", &limits.idle_seconds, 0.1, kDay},
      {"body", "--max-body-bytes", "bytes", &limits.body_bytes, 1, 16 * kGigabyte},
      {"all bodies at one time", "--max-bodies-bytes", "bytes", &limits.all_bodies_bytes, 1,
       64 * kGigabyte},
      {"upload: file or form", "--max-upload-bytes", "bytes", &limits.upload_bytes, 1,
       64 * kGigabyte},
      {"upload: all files at one time", "--max-uploads-bytes", "bytes", &limits.all_uploads_bytes,
       1, 1024 * kGigabyte},
      {"slowest body, a second", "--min-body-rate", "bytes", &limits.body_bytes_per_second, 1,
       kGigabyte},
      {"what a slow body may be late", "--body-grace-seconds", "seconds",
       &limits.body_grace_seconds, 0.1, kDay},
      {"time that a client reads nothing of its answer", "--stalled-seconds", "seconds",
       &limits.stalled_seconds, 0.1, kDay},
      {"connections", "--max-connections", "", &limits.connections, 1, 10000},
      {"connections of one other machine", "--max-connections-of-address", "",
       &limits.connections_of_address, 1, 10000},
      {"WebSockets", "--max-websockets", "", &limits.websockets, 0, 10000},
      {"WebSocket: message", "--max-websocket-message-bytes", "bytes",
       &limits.websocket_message_bytes, 1, kGigabyte},
      {"WebSocket: what a client may leave unread", "--max-websocket-unread-bytes", "bytes",
       &limits.websocket_unread_bytes, 1, kGigabyte},
      {"WebSocket: a conversation", "--live-seconds", "seconds", &limits.live_seconds, 1, kDay},
      {"answers at one time", "--sessions", "", &options.sessions},
      {"requests that wait", "--queue", "", &options.waiting},
      {"time of an answer (0: no limit)", "--answer-seconds", "seconds", &options.answer_seconds},
  };
}

std::vector<Limit> Fixed(ServerOptions& options) {
  ServerLimits& limits = options.limits;
  MediaLimits& media = limits.media;
  return {
      {"WebSocket: fragments of a message", "", "", &limits.websocket_fragments},
      {"WebSocket: time between pings", "", "seconds", &limits.websocket_ping_seconds},
      {"WebSocket: time of silence", "", "seconds", &limits.websocket_silent_seconds},
      {"picture: file", "", "bytes", &media.image_file_bytes},
      {"picture: side in pixels", "", "", &media.image_side},
      {"picture: memory while it is decoded", "", "bytes", &media.image_memory_bytes},
      {"sound: file", "", "bytes", &media.sound_file_bytes},
      {"sound: length", "", "seconds", &media.sound_seconds},
      {"sound: channels", "", "", &media.sound_channels},
      {"film: file", "", "bytes", &media.video_file_bytes},
      {"film: length looked at", "", "seconds", &media.video_seconds},
      {"film: frames", "", "", &media.video_frames},
      {"film: streams in one file", "", "", &media.video_streams},
      {"decoder process: memory", "", "bytes", &media.decoder_memory_bytes},
      {"decoder process: time of CPU, and 30 a minute of film", "", "seconds",
       &media.decoder_cpu_seconds},
  };
}

std::string ValueText(const Limit& limit) {
  const double value =
      std::visit([](const auto* number) { return static_cast<double>(*number); }, limit.value);
  constexpr const char* kUnits[] = {" GiB", " MiB", " KiB"};
  char text[48];
  if (std::string_view(limit.unit) == "bytes") {
    double unit = 1 << 30;
    for (const char* name : kUnits) {
      if (value >= unit &&
          value / unit == static_cast<double>(static_cast<int64_t>(value / unit))) {
        std::snprintf(text, sizeof(text), "%.0f%s", value / unit, name);
        return text;
      }
      unit /= 1024;
    }
  }
  std::snprintf(text, sizeof(text), "%.15g%s%s", value, *limit.unit == '\0' ? "" : " ", limit.unit);
  return text;
}

}  // namespace

void AddLimits(CLI::App& command, ServerOptions& options) {
  for (const Limit& limit : Settable(options)) {
    if (limit.most == 0) continue;  // an option of its own, elsewhere
    std::visit(
        [&](auto* value) {
          CLI::Option* const option = command.add_option(limit.option, *value, limit.what)
                                          ->check(CLI::Range(limit.least, limit.most))
                                          ->group("Limits");
          if (std::string_view(limit.unit) == "bytes") {
            option->transform(CLI::AsSizeValue(/*kb_is_1000=*/false));
          }
        },
        limit.value);
  }
  command
      .add_flag_callback(
          "--print-limits",
          [&options] {
            Put(LimitsTable(options));
            CheckOutput();
            throw CLI::Success();
          },
          "Show all limits and the options that change them, and end")
      ->group("Limits");
}

std::string LimitsTable(ServerOptions& options) {
  std::string table;
  for (const std::vector<Limit>& limits : {Settable(options), Fixed(options)}) {
    for (const Limit& limit : limits) {
      char line[160];
      std::snprintf(line, sizeof(line), "%-56s %14s  %s\n", limit.what, ValueText(limit).c_str(),
                    *limit.option == '\0' ? "fixed" : limit.option);
      table += line;
    }
  }
  // Those that the server's reading of requests has in it.
  return table +
         "JSON: 64 levels; 4096 keys in an object, each once; 1048576 elements in a list; 4194304 "
         "values\n"
         "request: 4096 messages, 512 parts, 64 pictures and frames, 8 choices, 16 stop texts of "
         "256 bytes, 1024 biases, 20 alternatives of a token\n"
         "wrong keys of one address: 10 a second\n";
}

}  // namespace gemma3n::cli
