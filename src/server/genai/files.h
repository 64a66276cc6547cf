// SPDX-License-Identifier: Apache-2.0
// Files in Google's dialect: left here in pieces (X-Goog-Upload-...), listed, spoken of by their
// address.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "server/chat.h"
#include "server/dialect.h"
#include "server/genai/proto_field.h"
#include "server/spool.h"

namespace gemma3n::server {

// Safe to use from several threads.
class GenAiFiles {
 public:
  explicit GenAiFiles(const Service& service) : service_(service) {}
  std::vector<Route> Routes();

 private:
  // A file that is still coming.
  struct Upload {
    std::string owner, id, label, type;
    uint64_t size = 0;  // as it was announced; 0: it was not
    std::shared_ptr<Spool> bytes;
    std::chrono::steady_clock::time_point last;  // heard of
    std::mutex mutex;                            // one piece at a time
  };
  // Of the upload whose address it is: clients send the key with the first request alone. Nothing
  // where a key is given, which then has to be right.
  std::optional<std::string> OwnerOf(const Request& request);
  void Post(const Request& request, Exchange& exchange);
  void Start(const Request& request, Exchange& exchange);
  void Piece(const Request& request, Exchange& exchange);
  std::shared_ptr<Upload> Find(const Request& request);
  void Forget(const Request& request);
  std::string Url(const Request& request, const std::string& target) const;
  Json FileJson(const StoredFile& file, const Request& request) const;

  const Service& service_;
  std::mutex mutex_;
  std::map<std::string, std::shared_ptr<Upload>> uploads_;  // by ids that cannot be guessed
};

// The id in "files/abc" or in an address that ends with it. Throws Refusal (kUnsupportedValue) for
// other addresses: nothing is fetched.
std::string FileIdOf(const Field& uri);

}  // namespace gemma3n::server
