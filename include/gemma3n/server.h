// SPDX-License-Identifier: Apache-2.0
// A loaded model as an HTTP service, in the dialects that clients already speak. docs/server.md.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gemma3n/engine.h"

namespace gemma3n {

// Of a body of multipart/form-data.
struct FormLimits {
  size_t parts = 64;
  uint64_t part_header_bytes = 4 << 10;
  uint64_t field_bytes = 1 << 20;  // of all that are no files
};

// Each is checked before the memory or the work that it bounds.
struct ServerLimits {
  uint64_t header_bytes = 16 << 10;  // request line and fields together
  uint64_t line_bytes = 8 << 10;     // of one of them
  size_t header_fields = 100;
  uint64_t body_bytes = 64ull << 20;
  uint64_t all_bodies_bytes = 512ull << 20;     // of the requests that are held at one time
  uint64_t upload_bytes = 1ull << 30;           // a body that is kept in a temporary file
  uint64_t all_uploads_bytes = 6ull << 30;      // of these, those that are under way and the files
  uint64_t files_bytes = 2ull << 30;            // of files that clients leave here, all together
  size_t files = 256;                           // the same
  double file_seconds = 48 * 3600;              // after which they are forgotten
  uint64_t request_media_bytes = 512ull << 20;  // a request's pictures, sounds and films, as held
  uint64_t all_media_bytes = 1ull << 30;        // the same of all requests at one time
  double header_seconds = 10;                   // from a request's first byte on
  double idle_seconds = 60;                     // between requests
  double body_grace_seconds = 30;           // what a slow body may take longer than its rate says
  double body_bytes_per_second = 16 << 10;  // also of an answer, where its reader is waited for
  double stalled_seconds = 30;              // what a slow reader may take longer
  double transcription_seconds = 6 * 3600;  // of one recording
  size_t transcriptions = 8;                // recordings that are heard at one time
  size_t connections = 256;
  size_t connections_of_address = 64;  // of another machine

  size_t websockets = 32;  // of the connections
  uint64_t websocket_message_bytes = 8 << 20;
  size_t websocket_fragments = 64;  // of a message
  // A client that leaves more is not heard until it reads; dropped if two messages more.
  uint64_t websocket_unread_bytes = 4 << 20;
  double websocket_ping_seconds = 20;
  double websocket_silent_seconds = 60;  // a client that says nothing for so long is dropped
  double live_seconds = 3600;            // a conversation over a WebSocket ends after so long
  FormLimits form = {};
  MediaLimits media = {};
};

struct ServerOptions {
  std::string host;  // an address of this machine, or "localhost"; "": 127.0.0.1
  int port = 11434;  // 0: any free one
  // Take the listening sockets that systemd hands over, where it does, instead of these two. Where
  // they are not what `host` or `lan` ask for, the server does not start.
  bool take_inherited_sockets = true;
  // All addresses instead of `host`, with TLS, and with a key that is made if there is none.
  bool lan = false;
  bool tls = false;  // with a certificate of its own, made when it is needed, if none is given
  std::string tls_certificate, tls_key;  // files in PEM
  // What is made is kept here; "": where the environment says (STATE_DIRECTORY, XDG_STATE_HOME).
  // Names that clients make of the model are kept only where it is given.
  std::filesystem::path state_directory;

  std::filesystem::path model, projector;      // the engine's files, of which listings tell
  std::string model_name;                      // as clients ask for it
  std::map<std::string, std::string> aliases;  // further names -> model_name
  int64_t context = 0;                         // of each session; 0: what the model was made for
  int sessions = 4;                            // answers under way at one time
  int waiting = 32;                            // requests that may wait for a session
  double answer_seconds = 0;                   // an answer ends after so long; 0: never
  // What is kept for later requests, as PrefixCacheOptions has it: of prompts and answers, and of
  // pictures and sound.
  int64_t cache_bytes = -1;
  int64_t media_cache_bytes = 256 << 20;

  std::vector<std::string> api_keys;  // none: everybody may ask
  bool no_key_needed = false;         // also from other machines, without a key
  std::vector<std::string> host_names;
  std::vector<std::string> origins;  // of web pages that may ask, such as "https://example.org"

  std::filesystem::path lab;  // what `gemma3n lab --json` wrote, for the page to show; may be empty

  // Of what Ollama's clients ask:
  std::string ollama_version = "0.13.0";  // some want a certain one at least
  bool allow_model_management = false;    // clients may make names of the model, and delete those

  bool access_log = true;  // a line for each request on standard error, without contents
  ServerLimits limits = {};
};

// How clients reach a server.
struct ServerReach {
  std::vector<std::string> urls;  // "http://127.0.0.1:11434", this machine's own first
  bool needs_key = false;
  std::string made_key;  // where there was none for other machines
  // Of the server's own certificate: a file for clients to trust, and its SHA-256 as browsers show
  // it. Empty where it has none of its own.
  std::filesystem::path certificate;
  std::string fingerprint;

  bool HasOthers() const;  // whether an address is not of this machine alone
  // Where the page is opened: from other machines, if they may ask.
  std::string PageUrl() const;
  // The same with the key that was made behind '#', where browsers keep it to themselves.
  std::string PageLink() const;
};

// Answers requests from threads of its own; the engine belongs to it until it is gone.
class Server {
 public:
  // Listens when it returns. Throws Error (kUsage) for what cannot be listened on, or may not be
  // without a key, and (kResources) where memory does not hold the sessions or nothing can be kept.
  static std::unique_ptr<Server> Start(std::shared_ptr<Engine> engine,
                                       const ServerOptions& options);
  // Ends what is under way at once.
  virtual ~Server() = default;

  virtual const ServerReach& reach() const = 0;

  // Takes no new work from now on. Returns when no answer is under way; those that are not ready
  // after `grace` end with what they have, as if they had reached their most tokens.
  virtual void Drain(std::chrono::milliseconds grace) = 0;
};

// The text, such as a URL, as a QR code of half blocks for a terminal. Throws Error (kRequest) for
// one of more than 1,000 bytes.
std::string QrCodeForTerminal(const std::string& text);

}  // namespace gemma3n
