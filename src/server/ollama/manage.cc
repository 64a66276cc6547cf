// SPDX-License-Identifier: Apache-2.0
#include "server/ollama/manage.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <system_error>

#include "server/answer_json.h"
#include "server/call.h"
#include "server/ollama/options.h"

namespace gemma3n::server {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMostSystemBytes = 64 << 10, kMostModelfileBytes = 128 << 10;

std::string_view Trimmed(std::string_view text) {
  const auto space = [](unsigned char c) { return std::isspace(c) != 0; };
  while (!text.empty() && space(text.front())) text.remove_prefix(1);
  while (!text.empty() && space(text.back())) text.remove_suffix(1);
  return text;
}

// A value as JSON: a number or true and false where it reads as one, else a text.
Json ParameterValue(const std::string& text) {
  if (text == "true" || text == "false") return text == "true";
  const char* const end = text.data() + text.size();
  int64_t integer = 0;
  if (const auto [next, error] = std::from_chars(text.data(), end, integer);
      error == std::errc() && next == end) {
    return integer;
  }
  double number = 0;
  if (const auto [next, error] = std::from_chars(text.data(), end, number);
      error == std::errc() && next == end) {
    return number;
  }
  return text;
}

// A Modelfile's commands -> the fields of a request for the same.
class ModelfileReader {
 public:
  explicit ModelfileReader(const Field& field) : field_(field), rest_(field.Text()) {
    if (rest_.size() > kMostModelfileBytes) {
      Expected(field_, "at most " + std::to_string(kMostModelfileBytes) + " bytes");
    }
  }

  Json Read() {
    while (true) {
      rest_ = Trimmed(rest_);
      if (rest_.empty()) return std::move(fields_);
      if (rest_.front() == '#') {
        Line();
        continue;
      }
      std::string command(rest_.substr(0, std::min(rest_.size(), rest_.find_first_of(" \t\n"))));
      rest_.remove_prefix(command.size());
      std::transform(command.begin(), command.end(), command.begin(),
                     [](unsigned char c) { return std::toupper(c); });
      Take(command);
    }
  }

 private:
  void Take(const std::string& command) {
    if (command == "FROM") {
      fields_["from"] = Value();
    } else if (command == "SYSTEM") {
      fields_["system"] = Value();
    } else if (command == "TEMPLATE") {
      fields_["template"] = Value();
    } else if (command == "LICENSE") {
      fields_["license"] = Value();
    } else if (command == "PARAMETER") {
      Parameter();
    } else {
      Expected(field_, "FROM, SYSTEM, PARAMETER or LICENSE, found '" + Shown(command) + "'");
    }
  }

  void Parameter() {
    const std::string line = Value();
    const size_t space = std::min(line.size(), line.find_first_of(" \t"));
    const std::string name = line.substr(0, space);
    std::string_view text = Trimmed(std::string_view(line).substr(space));
    if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
      text = text.substr(1, text.size() - 2);
    }
    Json& value = fields_["parameters"][name];
    if (name == "stop") {  // may come several times
      value.push_back(std::string(text));
    } else {
      value = ParameterValue(std::string(text));
    }
  }

  std::string Line() {
    const size_t end = std::min(rest_.size(), rest_.find('\n'));
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end);
    return std::string(Trimmed(line));
  }

  // The rest of the line, or what stands between quotes, which may be several lines.
  std::string Value() {
    while (!rest_.empty() && (rest_.front() == ' ' || rest_.front() == '\t')) {
      rest_.remove_prefix(1);
    }
    for (const std::string_view quote : {"\"\"\"", "\""}) {
      if (!rest_.starts_with(quote)) continue;
      const size_t end = rest_.find(quote, quote.size());
      if (end == std::string_view::npos) Expected(field_, "a closing " + std::string(quote));
      const std::string value(rest_.substr(quote.size(), end - quote.size()));
      rest_.remove_prefix(end + quote.size());
      return value;
    }
    return Line();
  }

  const Field field_;
  std::string_view rest_;
  Json fields_ = Json::object();
};

// Only compared: whether there are other files is nobody's business.
bool IsPathOf(const std::string& text, const fs::path& model) {
  if (text.find('/') == std::string::npos || text.find('\0') != std::string::npos) return false;
  std::error_code error;
  const fs::path one = fs::weakly_canonical(text, error);
  if (error) return false;
  return one == fs::weakly_canonical(model, error) && !error;
}

OllamaName From(const Field& from, const Service& service, const OllamaNames& names) {
  const std::string& text = from.Text();
  if (IsPathOf(text, service.options.model)) {
    return names.Find(service.options.model_name);
  }
  if (text.starts_with("/") || text.starts_with("./") || text.starts_with("../")) {
    CannotDo(from,
             "this server has one model, and only that one's path or name is taken; start "
             "`gemma3n serve -m PATH` for another");
  }
  return names.Find(text);
}

void RefuseOtherModels(const Field& fields) {
  for (const char* name : {"template", "adapters", "files", "messages", "quantize", "draft_from"}) {
    const Field field = fields[name];
    if (!field.present() || field.json().empty() || field.json() == "") continue;
    CannotDo(field, "a name is the model that is served with a system text and parameters");
  }
}

}  // namespace

std::string ReadModelName(const Field& body) {
  if (!body.json().is_object()) throw Refusal(Reason::kInvalidJson, "body: expected an object");
  const Field model = body["model"], name = body["name"];
  return model.present() || !name.present() ? model.Text() : name.Text();
}

OllamaName ReadCreate(const Field& body, const Service& service, const OllamaNames& names) {
  const std::string name = ReadModelName(body);
  const Field modelfile = body["modelfile"];
  Json written;
  if (modelfile.present()) written = ModelfileReader(modelfile).Read();
  const Field fields = modelfile.present() ? Field(written, "modelfile") : body;
  RefuseOtherModels(fields);
  OllamaName made = From(fields["from"], service, names);
  made.parent = made.name;
  made.name = name;
  const Field system = fields["system"];
  if (system.present()) made.system = system.Text();
  if (made.system.size() > kMostSystemBytes) {
    Expected(system, "at most " + std::to_string(kMostSystemBytes) + " bytes");
  }
  const Field parameters = fields["parameters"];
  ReadOllamaOptions(parameters, service);
  if (parameters.present()) {
    Json options = Json::parse(made.options);
    options.update(parameters.json());
    made.options = JsonLine(options);
  }
  return made;
}

std::string ModelfileOf(const OllamaName& name, const std::string& from) {
  std::string text = "# Modelfile of " + name.name + "\nFROM " + from + "\n";
  if (!name.system.empty()) text += "SYSTEM \"\"\"" + name.system + "\"\"\"\n";
  const std::string lines = ParameterLines(Json::parse(name.options));
  for (size_t at = 0; at < lines.size();) {
    const size_t end = std::min(lines.size(), lines.find('\n', at));
    text += "PARAMETER " + lines.substr(at, end - at) + "\n";
    at = end + 1;
  }
  return text;
}

std::string ParameterLines(const Json& options) {
  std::string lines;
  for (const auto& [name, value] : options.items()) {
    for (const Json& one : value.is_array() ? value : Json::array({value})) {
      lines += (lines.empty() ? "" : "\n") + name + " " + JsonLine(one);
    }
  }
  return lines;
}

}  // namespace gemma3n::server
