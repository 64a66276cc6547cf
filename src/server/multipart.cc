// SPDX-License-Identifier: Apache-2.0
#include "server/multipart.h"

#include <algorithm>
#include <cctype>
#include <charconv>

namespace gemma3n::server {
namespace {

constexpr size_t kMostBoundary = 70;  // RFC 2046, 5.1.1
constexpr size_t kMostName = 256;

[[noreturn]] void Complain(const std::string& message) {
  throw Refusal(Reason::kInvalidValue, "the form: " + message);
}
[[noreturn]] void ComplainOf(const std::string& name, const std::string& message) {
  throw Refusal(Reason::kInvalidValue, name + ": " + message, name);
}

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return lower;
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

struct Parameter {
  std::string name, value;
};

// "TYPE; name=token; other="quoted"" -> the type in small letters, and the parameters.
std::string ReadValue(std::string_view text, std::vector<Parameter>& parameters) {
  const size_t end = std::min(text.find(';'), text.size());
  const std::string type = LowerCase(Trimmed(text.substr(0, end)));
  text.remove_prefix(end);
  while (!text.empty()) {
    text = Trimmed(text.substr(1));  // the semicolon
    if (text.empty()) break;
    const size_t equals = text.find('=');
    if (equals == std::string_view::npos) Complain("a parameter of a header has no value");
    Parameter parameter{.name = LowerCase(Trimmed(text.substr(0, equals)))};
    text = Trimmed(text.substr(equals + 1));
    if (text.starts_with('"')) {
      size_t at = 1;
      for (; at < text.size() && text[at] != '"'; ++at) {
        if (text[at] == '\\' && at + 1 < text.size() && text[at + 1] == '"') ++at;
        parameter.value += text[at];
      }
      if (at == text.size()) Complain("a quoted parameter of a header has no end");
      text = Trimmed(text.substr(at + 1));
      if (!text.empty() && text[0] != ';') Complain("expected ';' between parameters of a header");
    } else {
      const size_t stop = std::min(text.find(';'), text.size());
      parameter.value = Trimmed(text.substr(0, stop));
      text.remove_prefix(stop);
    }
    parameters.push_back(std::move(parameter));
  }
  return type;
}

const std::string* Find(const std::vector<Parameter>& parameters, std::string_view name) {
  const std::string* found = nullptr;
  for (const Parameter& parameter : parameters) {
    if (parameter.name != name) continue;
    if (found != nullptr) Complain("a header names '" + std::string(name) + "' twice");
    found = &parameter.value;
  }
  return found;
}

bool HasControls(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
}

std::string CheckedName(const std::string* name) {
  if (name == nullptr || name->empty()) Complain("a part without a name");
  if (name->size() > kMostName || HasControls(*name)) {
    Complain("the name of a part is too long, or has control characters");
  }
  return *name;
}

// A label that would be a path somewhere is not taken.
std::string CheckedLabel(const std::string& label) {
  if (label.size() > kMostName || HasControls(label) ||
      label.find_first_of("/\\") != std::string::npos || label == "..") {
    Complain("expected the name of a file without a path, found '" + Shown(label) + "'");
  }
  return label;
}

std::string WithoutBrackets(const std::string& name) {
  return name.substr(0, name.find('['));
}

}  // namespace

bool IsMultipart(std::string_view content_type) {
  return LowerCase(content_type).starts_with("multipart/");
}

std::string BoundaryOf(const std::string& content_type) {
  std::vector<Parameter> parameters;
  const std::string type = ReadValue(content_type, parameters);
  if (type != "multipart/form-data") {
    throw Refusal(Reason::kMediaType, "expected multipart/form-data, found '" + Shown(type) + "'");
  }
  const std::string* const boundary = Find(parameters, "boundary");
  constexpr std::string_view kAllowed =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'()+_,-./:=? ";
  if (boundary == nullptr || boundary->empty() || boundary->size() > kMostBoundary ||
      boundary->back() == ' ' || boundary->find_first_not_of(kAllowed) != std::string::npos) {
    Complain("expected a boundary of 1 to 70 characters as RFC 2046 has them");
  }
  return *boundary;
}

const MultipartForm& FormOf(const Request& request) {
  const auto* const form = dynamic_cast<const MultipartForm*>(request.sink.get());
  if (form != nullptr) return *form;
  const std::string* const type = request.Find("Content-Type");
  throw Refusal(Reason::kMediaType, "expected multipart/form-data, found " +
                                        (type == nullptr ? "none" : "'" + Shown(*type) + "'"));
}

MultipartForm::MultipartForm(std::string_view boundary, const FormLimits& limits,
                             std::shared_ptr<DiskBudget> budget)
    : delimiter_("\r\n--" + std::string(boundary)), limits_(limits), budget_(std::move(budget)) {}

void MultipartForm::Take(std::string_view piece) {
  pending_.erase(0, at_);
  at_ = 0;
  pending_ += piece;
  while (Step()) {
  }
}

void MultipartForm::End() {
  if (state_ != State::kEnd) Complain("it ends before its last boundary");
  pending_.erase(0, at_);
  at_ = 0;
  if (!pending_.empty() && pending_ != "\r\n") Complain("there is something behind its end");
}

bool MultipartForm::Step() {
  const std::string_view rest = std::string_view(pending_).substr(at_);
  switch (state_) {
    case State::kFirstDelimiter: {
      const std::string_view first = std::string_view(delimiter_).substr(2);
      if (rest.size() < first.size()) return false;
      if (!rest.starts_with(first)) Complain("expected its boundary at the beginning");
      Drop(first.size());
      state_ = State::kBehindDelimiter;
      return true;
    }
    case State::kBehindDelimiter:
      if (rest.size() < 2) return false;
      if (!rest.starts_with("\r\n") && !rest.starts_with("--")) {
        Complain("a boundary that goes on differently");
      }
      state_ = rest[0] == '-' ? State::kEnd : State::kHeaders;
      Drop(2);
      return true;
    case State::kHeaders:
      return StepHeaders();
    case State::kContent:
      return StepContent();
    case State::kEnd:
      if (rest.size() > 2) Complain("there is something behind its end");
      return false;
  }
  return false;
}

bool MultipartForm::StepHeaders() {
  const std::string_view rest = std::string_view(pending_).substr(at_);
  const size_t end = rest.find("\r\n\r\n");
  if (std::min(end, rest.size()) > limits_.part_header_bytes) {
    throw Refusal(Reason::kTooLarge, "the form: the headers of a part are larger than " +
                                         std::to_string(limits_.part_header_bytes) + " bytes");
  }
  if (end == std::string_view::npos) return false;
  if (++parts_ > limits_.parts) {
    throw Refusal(Reason::kTooLarge,
                  "the form: more than " + std::to_string(limits_.parts) + " parts");
  }
  BeginPart(rest.substr(0, end));
  Drop(end + 4);
  state_ = State::kContent;
  return true;
}

bool MultipartForm::StepContent() {
  const std::string_view rest = std::string_view(pending_).substr(at_);
  const size_t end = rest.find(delimiter_);
  if (end != std::string_view::npos) {
    AddContent(rest.substr(0, end));
    Drop(end + delimiter_.size());
    state_ = State::kBehindDelimiter;
    return true;
  }
  // The last bytes may be the beginning of the next boundary.
  if (rest.size() >= delimiter_.size()) {
    const size_t sure = rest.size() - (delimiter_.size() - 1);
    AddContent(rest.substr(0, sure));
    Drop(sure);
  }
  return false;
}

void MultipartForm::BeginPart(std::string_view headers) {
  std::vector<Parameter> disposition;
  bool has_disposition = false;
  while (!headers.empty()) {
    const std::string_view line = headers.substr(0, headers.find("\r\n"));
    headers.remove_prefix(std::min(headers.size(), line.size() + 2));
    const size_t colon = line.find(':');
    if (colon == std::string_view::npos || HasControls(line)) {
      Complain("a header of a part is not 'Name: value' in printable characters");
    }
    const std::string name = LowerCase(line.substr(0, colon));
    const std::string_view value = Trimmed(line.substr(colon + 1));
    if (name == "content-disposition") {
      if (std::exchange(has_disposition, true)) Complain("a part with two Content-Disposition");
      if (ReadValue(value, disposition) != "form-data") {
        Complain("expected Content-Disposition: form-data in each part");
      }
    } else if (name == "content-type" && IsMultipart(value)) {
      Complain("a part that is a form itself");
    } else if (name == "content-transfer-encoding" && LowerCase(value) != "binary" &&
               LowerCase(value) != "8bit" && LowerCase(value) != "7bit") {
      Complain("a part in a transfer encoding");
    }
  }
  const std::string name = CheckedName(Find(disposition, "name"));
  const std::string* const label = Find(disposition, "filename");
  in_file_ = label != nullptr || Find(disposition, "filename*") != nullptr;
  if (in_file_) {
    for (const FormFile& other : files_) {
      if (other.name == name) ComplainOf(Shown(name), "expected one file of this name");
    }
    files_.push_back(
        {name, label == nullptr ? "" : CheckedLabel(*label), std::make_shared<Spool>(budget_)});
  } else {
    fields_.push_back({name, ""});
  }
}

void MultipartForm::AddContent(std::string_view content) {
  if (in_file_) return files_.back().bytes->Take(content);
  field_bytes_ += content.size();
  if (field_bytes_ > limits_.field_bytes) {
    throw Refusal(Reason::kTooLarge, "the form: its fields are larger than " +
                                         std::to_string(limits_.field_bytes) + " bytes");
  }
  fields_.back().value += content;
}

std::optional<std::string> MultipartForm::Text(const std::string& name) const {
  std::optional<std::string> text;
  for (const FormField& field : fields_) {
    if (field.name != name) continue;
    if (text) ComplainOf(name, "expected once, found several");
    text = field.value;
  }
  if (text && text->empty()) text.reset();
  return text;
}

std::vector<std::string> MultipartForm::List(const std::string& name) const {
  std::vector<std::string> list;
  for (const FormField& field : fields_) {
    if (field.name == name || field.name == name + "[]") list.push_back(field.value);
  }
  return list;
}

bool MultipartForm::Flag(const std::string& name, bool otherwise) const {
  const std::optional<std::string> text = Text(name);
  if (!text) return otherwise;
  const std::string word = LowerCase(*text);
  if (word != "true" && word != "false" && word != "1" && word != "0") {
    ComplainOf(name, "expected true or false, found '" + Shown(*text) + "'");
  }
  return word == "true" || word == "1";
}

std::optional<double> MultipartForm::Number(const std::string& name, double least,
                                            double most) const {
  const std::optional<std::string> text = Text(name);
  if (!text) return std::nullopt;
  double value = 0;
  const char* const end = text->data() + text->size();
  const auto [next, error] = std::from_chars(text->data(), end, value);
  if (error != std::errc() || next != end || !(value >= least && value <= most)) {
    std::string range(64, '\0');
    range.resize(static_cast<size_t>(
        std::snprintf(range.data(), range.size(), "a number from %g to %g", least, most)));
    ComplainOf(name, "expected " + range + ", found '" + Shown(*text) + "'");
  }
  return value;
}

std::optional<std::string> MultipartForm::Word(const std::string& name,
                                               const std::vector<std::string>& words) const {
  const std::optional<std::string> text = Text(name);
  if (!text || std::find(words.begin(), words.end(), *text) != words.end()) return text;
  std::string known;
  for (const std::string& word : words) known += (known.empty() ? "" : ", ") + word;
  ComplainOf(name, "expected one of " + known + ", found '" + Shown(*text) + "'");
}

const FormFile& MultipartForm::File(const std::string& name) const {
  for (const FormFile& file : files_) {
    if (file.name != name) ComplainOf(Shown(file.name), "a file that is not expected");
  }
  if (files_.empty()) throw Refusal(Reason::kMissing, name + ": expected a file", name);
  return files_.front();
}

std::vector<std::string> MultipartForm::Others(const std::vector<std::string_view>& known) const {
  std::vector<std::string> others;
  for (const FormField& field : fields_) {
    const std::string name = WithoutBrackets(field.name);
    if (std::find(known.begin(), known.end(), name) != known.end()) continue;
    if (std::find(others.begin(), others.end(), name) == others.end()) others.push_back(name);
  }
  return others;
}

}  // namespace gemma3n::server
