// SPDX-License-Identifier: Apache-2.0
#include "server/openai/files.h"

#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>

#include "server/call.h"
#include "server/file_store.h"
#include "server/json.h"
#include "server/multipart.h"
#include "server/openai/list_page.h"
#include "server/url.h"

namespace gemma3n::server {
namespace {

constexpr size_t kPieceBytes = 256 << 10, kMostOfPage = 10000;
constexpr double kLeastLife = 3600, kMostLife = 30 * 24 * 3600;  // seconds, as OpenAI has them

std::string Dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json FileJson(const StoredFile& file) {
  return {{"id", file.id},
          {"object", "file"},
          {"bytes", file.bytes->size()},
          {"created_at", file.created_at},
          {"expires_at", file.expires_at},
          {"filename", file.label},
          {"purpose", file.purpose},
          {"status", "processed"}};
}

void Create(const Service& service, const Request& request, Exchange& exchange) {
  const MultipartForm& form = FormOf(request);
  const FormFile& file = form.File("file");
  const auto purpose =
      form.Word("purpose", {"assistants", "batch", "fine-tune", "vision", "user_data", "evals"});
  if (!purpose) throw Refusal(Reason::kMissing, "purpose: expected a text", "purpose");
  form.Word("expires_after[anchor]", {"created_at"});
  const auto seconds = form.Number("expires_after[seconds]", kLeastLife, kMostLife);
  const StoredFile kept = service.files.Add(
      request.owner,
      {.label = file.label,
       .purpose = *purpose,
       .expires_at = seconds ? std::time(nullptr) + static_cast<int64_t>(*seconds) : 0,
       .bytes = file.bytes});
  exchange.Send({.headers = IgnoredHeader(form.Others({"file", "purpose", "expires_after"})),
                 .body = Dumped(FileJson(kept))});
}

void List(const Service& service, const Request& request, Exchange& exchange) {
  std::vector<StoredFile> files = service.files.List(request.owner);
  std::reverse(files.begin(), files.end());  // oldest first
  if (const auto purpose = QueryValue(request.query, "purpose")) {
    std::erase_if(files, [&](const StoredFile& file) { return file.purpose != *purpose; });
  }
  std::vector<std::string> ids;
  for (const StoredFile& file : files) ids.push_back(file.id);
  exchange.Send({.body = Dumped(PageJson(request, ids, {.usual = kMostOfPage, .most = kMostOfPage},
                                         [&](size_t at) { return FileJson(files[at]); }))});
}

void SendContent(const StoredFile& file, const Request& request, Exchange& exchange) {
  const Response head{
      .headers = {{"Cache-Control", "no-store"}, {"Content-Disposition", "attachment"}},
      .content_type = "application/octet-stream"};
  if (request.method == "HEAD") return exchange.Send(head);
  if (!exchange.BeginStream(head)) return;
  std::vector<char> piece(kPieceBytes);
  for (uint64_t at = 0; at < file.bytes->size();) {
    const size_t count = file.bytes->Read(at, piece);
    if (count == 0 || !exchange.Write({piece.data(), count})) return;
    at += count;
  }
}

}  // namespace

std::vector<Route> FileRoutes(const Service& service) {
  return {{.method = "POST",
           .pattern = "/v1/files",
           .handle = [&service](const Request& request, const std::string&,
                                Exchange& exchange) { Create(service, request, exchange); },
           .is_upload = true},
          {"GET", "/v1/files",
           [&service](const Request& request, const std::string&, Exchange& exchange) {
             List(service, request, exchange);
           }},
          {"GET", "/v1/files/*/content",
           [&service](const Request& request, const std::string& id, Exchange& exchange) {
             SendContent(service.files.Get(request.owner, id), request, exchange);
           }},
          {"GET", "/v1/files/*",
           [&service](const Request& request, const std::string& id, Exchange& exchange) {
             exchange.Send({.body = Dumped(FileJson(service.files.Get(request.owner, id)))});
           }},
          {"DELETE", "/v1/files/*",
           [&service](const Request& request, const std::string& id, Exchange& exchange) {
             service.files.Delete(request.owner, id);
             exchange.Send({.body = Dumped({{"id", id}, {"object", "file"}, {"deleted", true}})});
           }}};
}

}  // namespace gemma3n::server
