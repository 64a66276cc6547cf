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
  const char* option;
  const char* unit;  // "bytes", "seconds", "" for counts
  std::variant<uint64_t*, int64_t*, double*, int*> value;
  double least = 0, most = 0;  // most 0: an option of its own, elsewhere
};
using Limits = std::vector<Limit>;

static_assert(std::is_same_v<size_t, uint64_t>);

constexpr double kGigabyte = 1 << 30, kDay = 86400;

// Those that the reading of requests has in it.
constexpr char kFixed[] =
    R"(JSON: 64 levels; 4096 keys in an object, each once; 1048576 elements in a list; 4194304 values
request: 4096 messages, 512 parts, 64 pictures and frames, 8 choices, 32 prompts, 128 functions, 16 stop texts of 256 bytes, 1024 biases, 20 alternatives of a token, 2048 texts to embed
schema: 256 KiB, 32 schemas in schemas, 100000 states, patterns of 1 KiB, 1000 repetitions, 250 ms to compile
requests that wait, where clients can be told apart (several keys; no key, and other machines): the last quarter is for clients that have none here
utterances of a live session that wait to be written down: 32; meanwhile nothing more of it is read
uploads in pieces: 64 at one time, an hour of silence
responses that are kept: 64 of a key, 256 MiB of all, an hour
wrong keys of one address: 10 a second
)";

Limits OfRequests(ServerOptions& options) {
  ServerLimits& limits = options.limits;
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
      {"slowest body, slowest reader of an answer, a second", "--min-body-rate", "bytes",
       &limits.body_bytes_per_second, 1, kGigabyte},
      {"what a slow body may be late", "--body-grace-seconds", "seconds",
       &limits.body_grace_seconds, 0.1, kDay},
      {"what a slow reader of an answer may be late", "--stalled-seconds", "seconds",
       &limits.stalled_seconds, 0.1, kDay},
      {"connections", "--max-connections", "", &limits.connections, 1, 10000},
      {"connections of one other machine", "--max-connections-of-address", "",
       &limits.connections_of_address, 1, 10000},
      {"answers at one time", "--sessions", "", &options.sessions},
      {"requests that wait", "--queue", "", &options.waiting},
      {"time of an answer (0: no limit)", "--answer-seconds", "seconds", &options.answer_seconds},
  };
}

Limits OfUploads(ServerLimits& limits) {
  FormLimits& form = limits.form;
  return {
      {"upload: file or form", "--max-upload-bytes", "bytes", &limits.upload_bytes, 1,
       64 * kGigabyte},
      {"upload: all files at one time", "--max-uploads-bytes", "bytes", &limits.all_uploads_bytes,
       1, 1024 * kGigabyte},
      {"form: parts", "--max-form-parts", "", &form.parts, 1, 10000},
      {"form: headers of a part", "--max-form-header-bytes", "bytes", &form.part_header_bytes, 64,
       1 << 20},
      {"form: all fields", "--max-form-field-bytes", "bytes", &form.field_bytes, 1, kGigabyte},
      {"memory of the pictures, sounds and films of a request", "--max-request-media-bytes",
       "bytes", &limits.request_media_bytes, 1, 64 * kGigabyte},
      {"memory of all of them at one time", "--max-media-bytes", "bytes", &limits.all_media_bytes,
       1, 64 * kGigabyte},
      {"files that clients leave: all together", "--max-files-bytes", "bytes", &limits.files_bytes,
       1, 1024 * kGigabyte},
      {"files that clients leave: how many", "--max-files", "", &limits.files, 0, 1 << 20},
      {"files that clients leave: how long", "--file-seconds", "seconds", &limits.file_seconds, 1,
       365 * kDay},
      {"recording that is transcribed: length", "--max-transcription-seconds", "seconds",
       &limits.transcription_seconds, 1, 7 * kDay},
      {"recordings that are heard at one time", "--max-transcriptions", "", &limits.transcriptions,
       0, 10000},
  };
}

Limits OfWebSockets(ServerLimits& limits) {
  return {
      {"WebSockets", "--max-websockets", "", &limits.websockets, 0, 10000},
      {"WebSocket: message", "--max-websocket-message-bytes", "bytes",
       &limits.websocket_message_bytes, 1, kGigabyte},
      {"WebSocket: fragments of a message", "--max-websocket-fragments", "",
       &limits.websocket_fragments, 1, 10000},
      {"WebSocket: what a client may leave unread", "--max-websocket-unread-bytes", "bytes",
       &limits.websocket_unread_bytes, 1, kGigabyte},
      {"WebSocket: time between pings", "--websocket-ping-seconds", "seconds",
       &limits.websocket_ping_seconds, 0.1, kDay},
      {"WebSocket: time of silence, longer than that", "--websocket-silent-seconds", "seconds",
       &limits.websocket_silent_seconds, 0.2, kDay},
      {"WebSocket: a conversation", "--live-seconds", "seconds", &limits.live_seconds, 1, kDay},
  };
}

// No more than the decoder process takes, nor than buffers of a picture are counted with.
Limits OfMedia(MediaLimits& media) {
  constexpr double kMostPixels = 1 << 28;
  return {
      {"picture: file", "--max-image-bytes", "bytes", &media.image_file_bytes, 1, kGigabyte},
      {"picture: side in pixels", "--max-image-side", "", &media.image_side, 1, 65535},
      {"picture: pixels", "--max-image-pixels", "", &media.image_pixels, 1, kMostPixels},
      {"picture: memory while it is decoded", "--max-image-memory-bytes", "bytes",
       &media.image_memory_bytes, 1, 64 * kGigabyte},
      {"sound: file", "--max-sound-bytes", "bytes", &media.sound_file_bytes, 1, 64 * kGigabyte},
      {"sound: length", "--max-sound-seconds", "seconds", &media.sound_seconds, 0.1, kDay},
      {"sound: channels", "--max-sound-channels", "", &media.sound_channels, 1, 64},
      {"sound: lowest rate in Hz", "--min-sound-rate", "", &media.sound_rate_min_hz, 1, 1000000},
      {"sound: highest rate in Hz", "--max-sound-rate", "", &media.sound_rate_max_hz, 1, 1000000},
      {"film: file", "--max-film-bytes", "bytes", &media.video_file_bytes, 1, 64 * kGigabyte},
      {"film: length looked at", "--max-film-seconds", "seconds", &media.video_seconds, 0.1, kDay},
      {"film: frames", "--max-film-frames", "", &media.video_frames, 1, 10000},
      {"film: pixels to which a frame is made smaller", "--max-film-pixels", "",
       &media.video_frame_pixels, 1, kMostPixels},
      {"film: streams in one file", "--max-film-streams", "", &media.video_streams, 1, 1000},
      {"decoder process: memory", "--max-decoder-memory-bytes", "bytes",
       &media.decoder_memory_bytes, 64 << 20, 64 * kGigabyte},
      {"decoder process: time of CPU, and 30 a minute of film", "--max-decoder-seconds", "seconds",
       &media.decoder_cpu_seconds, 1, kDay},
  };
}

Limits All(ServerOptions& options) {
  Limits all;
  for (const Limits& some : {OfRequests(options), OfUploads(options.limits),
                             OfWebSockets(options.limits), OfMedia(options.limits.media)}) {
    all.insert(all.end(), some.begin(), some.end());
  }
  return all;
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
  for (const Limit& limit : All(options)) {
    if (limit.most == 0) continue;
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
  for (const Limit& limit : All(options)) {
    char line[160];
    std::snprintf(line, sizeof(line), "%-56s %14s  %s\n", limit.what, ValueText(limit).c_str(),
                  limit.option);
    table += line;
  }
  return table + kFixed;
}

}  // namespace gemma3n::cli
