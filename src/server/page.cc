// SPDX-License-Identifier: Apache-2.0
#include "server/page.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "gemma3n/error.h"
#include "server/openai/request.h"
#include "server/page_files.h"
#include "server/qr.h"
#include "server/sizes.h"
#include "server/tokens.h"

namespace gemma3n::server {
namespace {

constexpr uint64_t kMostLabBytes = 16 << 20;
constexpr const char* kCertificate = "certificate.pem";  // the last part of its path, too

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Response NotKept(const std::string& json) {
  return {.headers = {{"Cache-Control", "no-store"}}, .body = json};
}

// Nothing of the page comes from elsewhere or goes there, whatever an answer's text makes of it.
Headers PageHeaders() {
  return {{"Content-Security-Policy",
           "default-src 'self'; connect-src 'self'; img-src 'self' blob: data:; "
           "media-src 'self' blob:; worker-src 'self' blob:; object-src 'none'; base-uri 'none'; "
           "form-action 'none'; frame-ancestors 'none'"},
          {"Permissions-Policy", "camera=(self), microphone=(self), display-capture=(self)"},
          {"Referrer-Policy", "no-referrer"},
          {"Cross-Origin-Opener-Policy", "same-origin"},
          {"Cross-Origin-Resource-Policy", "same-origin"}};
}

Json InfoOf(const Service& service, bool has_lab) {
  const ModelFacts& facts = service.engine.facts();
  const ServerLimits& limits = service.options.limits;
  Json sizes = Json::array();
  std::string current;
  for (const OfferedSize& size : OfferedSizes(service.engine)) {
    sizes.push_back({{"name", size.name},
                     {"label", size.label},
                     {"kind", size.kind},
                     {"effective_parameters", size.facts.effective_parameters},
                     {"weight_bytes_per_token", size.facts.weight_bytes_per_token},
                     {"layers", size.layers}});
    if (service.engine.ParseSize(size.name) == service.engine.size()) current = size.name;
  }
  const ModelSize& size = service.engine.size();
  if (current.empty()) {  // a size that the server was started with
    const size_t layers = service.engine.ParseSize("full").layers.size();
    current = WidthsAsText(WidthsOf(size, layers));
    const SizeFacts found = service.engine.FactsOf(size);
    sizes.push_back({{"name", current},
                     {"label", size.name},
                     {"kind", "served"},
                     {"effective_parameters", found.effective_parameters},
                     {"weight_bytes_per_token", found.weight_bytes_per_token},
                     {"layers", size.layers.size()}});
  }
  return {{"model", service.options.model_name},
          {"names", service.ModelNames()},
          {"context", service.context},
          {"size", current},
          {"sizes", sizes},
          {"sees", facts.sees},
          {"hears", facts.hears},
          {"image_tokens", facts.image_tokens},
          {"audio_tokens", facts.audio_tokens},
          {"clip_seconds", facts.max_clip_seconds},
          {"body_bytes", limits.body_bytes},
          {"upload_bytes", limits.upload_bytes},
          {"urls", service.reach.urls},
          {"needs_key", service.reach.needs_key},
          {"certificate", service.reach.certificate.empty() ? "" : kCertificate},
          {"qr", service.reach.HasOthers()},
          {"lab", has_lab},
          {"notes", facts.notes}};
}

// The server's own certificate, which it shows to everybody who connects; empty: it has none.
std::string ReadCertificate(const std::filesystem::path& path) {
  if (path.empty()) return "";
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) throw Error(ErrorKind::kResources, path.string() + ": cannot be read");
  return text;
}

// The size in the form of `--size FILE.json`, as the text that requests ask for it with.
std::string SizeText(const Json& size, size_t layers) {
  std::vector<int64_t> widths = size.at("ffn_widths");
  const std::vector<size_t> skipped = size.at("skipped_layers");
  for (const size_t layer : skipped) {
    if (layer > widths.size()) throw Error(ErrorKind::kUsage, "a layer that is not there");
    widths.insert(widths.begin() + static_cast<ptrdiff_t>(layer), 0);
  }
  if (widths.size() != layers) {
    throw Error(ErrorKind::kUsage, "it has " + std::to_string(widths.size()) +
                                       " layers, the model has " + std::to_string(layers));
  }
  return WidthsAsText(widths);
}

// The sizes of a result and their scores, without what it tells of this machine's files.
std::string ReadLab(const std::filesystem::path& path, const Engine& engine) {
  if (path.empty()) return "";
  const auto wrong = [&](const std::string& what) {
    return Error(ErrorKind::kUsage,
                 path.string() + ": expected what `gemma3n lab --json` writes; " + what);
  };
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw Error(ErrorKind::kUsage, path.string() + ": cannot be read");
  const std::streamoff bytes = file.tellg();
  if (bytes < 0 || static_cast<uint64_t>(bytes) > kMostLabBytes) throw wrong("it is too large");
  std::string text(static_cast<size_t>(bytes), '\0');
  file.seekg(0).read(text.data(), bytes);
  const size_t layers = engine.ParseSize("full").layers.size();
  try {
    const Json found = Json::parse(text);
    if (found.at("format") != "gemma3n lab 1") throw wrong("its format is another");
    Json lab = {{"metric", found.at("metric")}, {"tokens", found.at("tokens")}};
    for (const char* list : {"sizes", "front"}) {
      lab[list] = Json::array();
      if (!found.contains(list)) continue;
      for (Json one : found.at(list)) {
        one["size"] = SizeText(one.at("size"), layers);
        engine.ParseSize(one["size"]);
        lab[list].push_back(std::move(one));
      }
    }
    return Dump(lab);
  } catch (const Json::exception& error) {
    throw wrong(error.what());
  } catch (const Error& error) {
    throw wrong(error.what());
  }
}

}  // namespace

Page::Page(const Service& service)
    : service_(service),
      info_(Dump(InfoOf(service, !service.options.lab.empty()))),
      lab_(ReadLab(service.options.lab, service.engine)),
      certificate_(ReadCertificate(service.reach.certificate)) {}

std::vector<Route> Page::Routes() const {
  const auto route = [](const char* method, const char* path, auto answer, bool open = false) {
    return Route{.method = method,
                 .pattern = path,
                 .handle = [answer](const Request& request, const std::string&,
                                    Exchange& exchange) { exchange.Send(answer(request)); },
                 .open = open};
  };
  // Files are open to everybody, so that the page can ask for the key.
  return {
      route("POST", "/tokenize", [this](const Request& r) { return Tokenize(r, service_); }),
      route("POST", "/detokenize", [this](const Request& r) { return Detokenize(r, service_); }),
      route("POST", "/page/count", [this](const Request& r) { return Count(r); }),
      route("GET", "/page/info", [this](const Request&) { return NotKept(info_); }),
      route("GET", "/page/lab", [this](const Request&) { return LabResult(); }),
      route(
          "GET", "/page/certificate.pem", [this](const Request&) { return Certificate(); }, true),
      route("GET", "/page/qr.svg", [this](const Request&) { return QrPicture(); }),
      route(
          "GET", "/page/*", [this](const Request& r) { return File(r); }, true),
      route(
          "GET", "/", [this](const Request& r) { return Home(r); }, true)};
}

// Others than browsers ask this to see whether somebody is there.
Response Page::Home(const Request& request) const {
  const std::string* const accept = request.Find("Accept");
  if (accept != nullptr && accept->find("text/html") != std::string::npos) return File(request);
  return {.body = "Ollama is running", .content_type = "text/plain; charset=utf-8"};
}

Response Page::File(const Request& request) const {
  const std::span<const PageFile> files = PageFiles();
  const auto file = std::find_if(files.begin(), files.end(),
                                 [&](const PageFile& one) { return one.path == request.path; });
  if (file == files.end()) {
    throw Refusal(Reason::kNotFound,
                  files.empty() ? "this server was built without its page (-DGEMMA3N_PAGE=OFF)"
                                : "the page has no file '" + Shown(request.path) + "'");
  }
  Response response{.headers = PageHeaders()};
  response.headers.emplace_back("ETag", std::string(file->etag));
  response.headers.emplace_back("Cache-Control", "no-cache");
  response.content_type = file->content_type;
  const std::string* const known = request.Find("If-None-Match");
  if (known != nullptr && known->find(file->etag) != std::string::npos) {
    response.status = 304;
  } else {
    response.body = file->bytes;
  }
  return response;
}

// Only those who have a key see this one.
Response Page::LabResult() const {
  if (lab_.empty()) {
    throw Refusal(Reason::kNotFound,
                  "there is no result of `gemma3n lab`; `gemma3n serve --lab FILE` shows one");
  }
  return NotKept(lab_);
}

// For programs that are to trust this server. Open, since each connection begins with it.
Response Page::Certificate() const {
  if (certificate_.empty()) {
    throw Refusal(Reason::kNotFound, "this server has no certificate of its own");
  }
  Response response = NotKept(certificate_);
  response.content_type = "application/x-pem-file";
  return response;
}

// Not open: the key is in it.
Response Page::QrPicture() const {
  if (!service_.reach.HasOthers()) {
    throw Refusal(Reason::kNotFound, "other machines cannot open the page; --lan lets them");
  }
  Response response = NotKept(QrSvg(service_.reach.PageLink()));
  response.content_type = "image/svg+xml";
  return response;
}

Response Page::Count(const Request& request) const {
  const Json json = ParseJson(request.body);
  const OpenAiCall call = ReadChatCall(Field(json, ""), service_, request.owner);
  const ModelFacts& facts = service_.engine.facts();
  const auto total = static_cast<int64_t>(call.asks.front().prompt.size());
  const int64_t image = call.pictures * facts.image_tokens, audio = call.clips * facts.audio_tokens;
  return {.body = Dump({{"tokens", total},
                        {"text", std::max<int64_t>(0, total - image - audio)},
                        {"image", image},
                        {"audio", audio},
                        {"pictures", call.pictures},
                        {"clips", call.clips},
                        {"context", service_.context}})};
}

}  // namespace gemma3n::server
