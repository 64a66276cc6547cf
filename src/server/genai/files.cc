// SPDX-License-Identifier: Apache-2.0
#include "server/genai/files.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "server/answer_json.h"
#include "server/call.h"
#include "server/file_store.h"
#include "server/genai/list_page.h"
#include "server/url.h"

namespace gemma3n::server {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr size_t kMostUploads = 192, kMostOfOwner = 64;  // each holds a file open
constexpr size_t kMostStartBytes = 64 << 10, kPieceBytes = 256 << 10;
constexpr auto kMostSilence = std::chrono::hours(1);
constexpr const char* kFiles = "files/";

std::string HeaderOf(const Request& request, const char* name) {
  const std::string* const value = request.Find(name);
  return value == nullptr ? "" : *value;
}

const Spool& BytesOf(const Request& request) {
  const auto* const spool = dynamic_cast<const Spool*>(request.sink.get());
  if (spool != nullptr) return *spool;
  throw Refusal(Reason::kMediaType, "expected the bytes themselves, found a form");
}

// A header that is a whole number; nothing where it is not there.
std::optional<int64_t> NumberOf(const Request& request, const char* name) {
  const std::string* const text = request.Find(name);
  if (text == nullptr) return std::nullopt;
  const Json json = *text;
  return ProtoField(json, name).Integer(0, INT64_MAX);
}

Response Status(const char* status, Json body = Json::object()) {
  return {.headers = {{"X-Goog-Upload-Status", status}}, .body = JsonLine(body)};
}

std::string TimeOf(int64_t seconds) {
  return TimeText(std::chrono::system_clock::from_time_t(static_cast<std::time_t>(seconds)));
}

}  // namespace

std::vector<Route> GenAiFiles::Routes() {
  std::vector<Route> routes;
  for (const std::string version : {"/v1", "/v1beta", "/v1alpha"}) {
    routes.push_back({.method = "POST",
                      .pattern = "/upload" + version + "/files",
                      .handle = [this](const Request& request, const std::string&,
                                       Exchange& exchange) { Post(request, exchange); },
                      .is_upload = true,
                      .owner_of = [this](const Request& request) { return OwnerOf(request); }});
    routes.push_back({"GET", version + "/files",
                      [this](const Request& request, const std::string&, Exchange& exchange) {
                        const std::vector<StoredFile> files = service_.files.List(request.owner);
                        const ListPage page = PageOf(request);
                        Json list = Json::object();
                        for (size_t i = page.Begin(files.size()); i < page.End(files.size()); ++i) {
                          list["files"].push_back(FileJson(files[i], request));
                        }
                        page.AddNext(files.size(), list);
                        exchange.Send({.body = JsonLine(list)});
                      }});
    routes.push_back({"GET", version + "/files/*",
                      [this](const Request& request, const std::string& id, Exchange& exchange) {
                        const StoredFile file = service_.files.Get(request.owner, id);
                        exchange.Send({.body = JsonLine(FileJson(file, request))});
                      }});
    routes.push_back({"DELETE", version + "/files/*",
                      [this](const Request& request, const std::string& id, Exchange& exchange) {
                        service_.files.Delete(request.owner, id);
                        exchange.Send({.body = "{}"});
                      }});
  }
  return routes;
}

std::optional<std::string> GenAiFiles::OwnerOf(const Request& request) {
  for (const char* name : {"Authorization", "x-goog-api-key"}) {
    if (request.Find(name) != nullptr) return std::nullopt;
  }
  for (const char* name : {"key", "access_token"}) {
    if (QueryValue(request.query, name)) return std::nullopt;
  }
  const auto id = QueryValue(request.query, "upload_id");
  if (!id) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const auto found = uploads_.find(*id);
  return found == uploads_.end() ? std::nullopt : std::optional(found->second->owner);
}

void GenAiFiles::Post(const Request& request, Exchange& exchange) {
  if (QueryValue(request.query, "upload_id")) return Piece(request, exchange);
  if (HeaderOf(request, "X-Goog-Upload-Command") == "start") return Start(request, exchange);
  throw Refusal(Reason::kUnsupportedValue,
                "X-Goog-Upload-Command: expected 'start'; files are left here by resumable uploads",
                "X-Goog-Upload-Command");
}

void GenAiFiles::Start(const Request& request, Exchange& exchange) {
  const Spool& bytes = BytesOf(request);
  if (bytes.size() > kMostStartBytes) {
    throw Refusal(Reason::kTooLarge, "the file's description is larger than " +
                                         std::to_string(kMostStartBytes) + " bytes");
  }
  const Json body = bytes.size() == 0 ? Json::object() : ParseJson(bytes.Text());
  const ProtoField file = ProtoField(body, "")["file"];
  const auto upload = std::make_shared<Upload>();
  upload->owner = request.owner;
  const ProtoField name = file["name"], label = file["displayName"], type = file["mimeType"];
  if (name.present() && !name.Text().empty()) {
    upload->id = name.Text();
    if (upload->id.starts_with(kFiles)) upload->id.erase(0, std::string(kFiles).size());
    if (!FileStore::IsId(upload->id)) Expected(name, "files/ and 1 to 40 of a-z, 0-9 and -");
  }
  if (label.present()) upload->label = label.Text();
  upload->type =
      type.present() ? type.Text() : HeaderOf(request, "X-Goog-Upload-Header-Content-Type");
  const auto announced = file["sizeBytes"].Integer(0, INT64_MAX);
  upload->size = static_cast<uint64_t>(
      NumberOf(request, "X-Goog-Upload-Header-Content-Length").value_or(announced.value_or(0)));
  if (upload->size > service_.options.limits.upload_bytes) {
    throw Refusal(Reason::kTooLarge, "the file is larger than " +
                                         std::to_string(service_.options.limits.upload_bytes) +
                                         " bytes");
  }
  upload->bytes = std::make_shared<Spool>(service_.disk);
  upload->last = SteadyClock::now();
  const std::string id = NewId("");
  {
    const std::lock_guard lock(mutex_);
    std::erase_if(uploads_, [](const auto& one) {
      return SteadyClock::now() - one.second->last > kMostSilence;
    });
    const auto own = std::count_if(uploads_.begin(), uploads_.end(), [&](const auto& one) {
      return one.second->owner == upload->owner;
    });
    if (uploads_.size() >= kMostUploads || static_cast<size_t>(own) >= kMostOfOwner) {
      throw Refusal(Reason::kFull,
                    std::to_string(own) + " files are coming already; end or cancel one");
    }
    uploads_[id] = upload;
  }
  Response response = Status("active");
  response.headers.emplace_back(
      "X-Goog-Upload-URL",
      Url(request, request.path + "?upload_id=" + id + "&upload_protocol=resumable"));
  exchange.Send(response);
}

std::shared_ptr<GenAiFiles::Upload> GenAiFiles::Find(const Request& request) {
  const std::lock_guard lock(mutex_);
  const auto found = uploads_.find(*QueryValue(request.query, "upload_id"));
  if (found == uploads_.end() || found->second->owner != request.owner) {
    throw Refusal(Reason::kNotFound, "there is no such upload; it may have ended", "upload_id");
  }
  found->second->last = SteadyClock::now();
  return found->second;
}

void GenAiFiles::Forget(const Request& request) {
  const std::lock_guard lock(mutex_);
  uploads_.erase(*QueryValue(request.query, "upload_id"));
}

void GenAiFiles::Piece(const Request& request, Exchange& exchange) {
  const std::shared_ptr<Upload> upload = Find(request);
  const std::lock_guard lock(upload->mutex);
  const std::vector<std::string> commands = request.List("X-Goog-Upload-Command");
  const auto has = [&](const char* command) {
    return std::find(commands.begin(), commands.end(), command) != commands.end();
  };
  if (has("cancel")) {
    Forget(request);
    return exchange.Send(Status("cancelled"));
  }
  if (has("upload")) {
    const Spool& bytes = BytesOf(request);
    const int64_t offset = NumberOf(request, "X-Goog-Upload-Offset").value_or(0);
    if (static_cast<uint64_t>(offset) != upload->bytes->size()) {
      throw Refusal(Reason::kInvalidValue,
                    "X-Goog-Upload-Offset: expected " + std::to_string(upload->bytes->size()) +
                        ", found " + std::to_string(offset),
                    "X-Goog-Upload-Offset");
    }
    const uint64_t most = upload->size > 0 ? upload->size : service_.options.limits.upload_bytes;
    if (bytes.size() > most - upload->bytes->size()) {
      throw Refusal(Reason::kTooLarge, "the file has more bytes than " + std::to_string(most));
    }
    std::vector<char> piece(kPieceBytes);
    for (uint64_t at = 0; at < bytes.size();) {
      const size_t count = bytes.Read(at, piece);
      upload->bytes->Take({piece.data(), count});
      at += count;
    }
  }
  if (!has("finalize")) {
    if (!has("upload") && !has("query")) {
      throw Refusal(Reason::kInvalidValue,
                    "X-Goog-Upload-Command: expected upload, finalize, query or cancel",
                    "X-Goog-Upload-Command");
    }
    Response response = Status("active");
    response.headers.emplace_back("X-Goog-Upload-Size-Received",
                                  std::to_string(upload->bytes->size()));
    return exchange.Send(response);
  }
  if (upload->size > 0 && upload->bytes->size() != upload->size) {
    throw Refusal(Reason::kInvalidValue, "the file has " + std::to_string(upload->bytes->size()) +
                                             " bytes of " + std::to_string(upload->size) +
                                             " that were announced");
  }
  const StoredFile file = service_.files.Add(
      upload->owner,
      {.id = upload->id, .label = upload->label, .type = upload->type, .bytes = upload->bytes});
  Forget(request);
  exchange.Send(Status("final", {{"file", FileJson(file, request)}}));
}

// On the scheme and under the name that the client used.
std::string GenAiFiles::Url(const Request& request, const std::string& target) const {
  const bool tls = service_.options.tls || service_.options.lan;
  return (tls ? "https://" : "http://") + HeaderOf(request, "Host") + target;
}

Json GenAiFiles::FileJson(const StoredFile& file, const Request& request) const {
  return {{"name", kFiles + file.id},
          {"displayName", file.label},
          {"mimeType", file.type},
          {"sizeBytes", std::to_string(file.bytes->size())},
          {"createTime", TimeOf(file.created_at)},
          {"updateTime", TimeOf(file.created_at)},
          {"expirationTime", TimeOf(file.expires_at)},
          {"uri", Url(request, "/v1beta/files/" + file.id)},
          {"state", "ACTIVE"},
          {"source", "UPLOADED"}};
}

std::string FileIdOf(const Field& uri) {
  const std::string& text = uri.Text();
  const size_t at = text.rfind(kFiles);
  const bool own = at != std::string::npos && (at == 0 || text[at - 1] == '/');
  const std::string id = own ? text.substr(at + std::string(kFiles).size()) : "";
  if (FileStore::IsId(id)) return id;
  CannotDo(uri, "only files that were left here are taken; this server fetches nothing");
}

}  // namespace gemma3n::server
