// SPDX-License-Identifier: Apache-2.0
// Bodies of multipart/form-data, read while they come: fields into memory, files into temporary
// ones.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gemma3n/server.h"
#include "server/spool.h"

namespace gemma3n::server {

struct FormField {
  std::string name;  // as it came: "model", "include[]", "chunking_strategy[type]"
  std::string value;
};

struct FormFile {
  std::string name;   // of the field
  std::string label;  // the file's name as the client tells it; never a path
  std::shared_ptr<Spool> bytes;
};

// Strict: what is no form as browsers and clients write it is refused (kInvalidValue), as soon as
// that is known. Throws Refusal (kTooLarge) past a limit.
class MultipartForm : public BodySink {
 public:
  // `boundary`: of the content type.
  MultipartForm(std::string_view boundary, const FormLimits& limits,
                std::shared_ptr<DiskBudget> budget);

  void Take(std::string_view piece) override;
  void End() override;

  const std::vector<FormField>& fields() const { return fields_; }
  const std::vector<FormFile>& files() const { return files_; }

  // The value of the field that has this name once at most; where it is absent or empty, nothing.
  // Throws Refusal (kInvalidValue) for several.
  std::optional<std::string> Text(const std::string& name) const;
  // Of `name` and `name[]`, in their order.
  std::vector<std::string> List(const std::string& name) const;
  // "true", "false", "1", "0".
  bool Flag(const std::string& name, bool otherwise) const;
  std::optional<double> Number(const std::string& name, double least, double most) const;
  // One of these words.
  std::optional<std::string> Word(const std::string& name,
                                  const std::vector<std::string>& words) const;
  // The one file, which must be there and be called so.
  const FormFile& File(const std::string& name) const;
  // The names, without brackets, that are none of these.
  std::vector<std::string> Others(const std::vector<std::string_view>& known) const;

 private:
  enum class State { kFirstDelimiter, kBehindDelimiter, kHeaders, kContent, kEnd };
  bool Step();  // whether it came further with what is there
  bool StepHeaders();
  bool StepContent();
  void BeginPart(std::string_view headers);
  void AddContent(std::string_view content);
  void Drop(size_t count) { at_ += count; }

  const std::string delimiter_;  // "\r\n--BOUNDARY"
  const FormLimits limits_;
  const std::shared_ptr<DiskBudget> budget_;
  State state_ = State::kFirstDelimiter;
  std::string pending_;
  size_t at_ = 0;  // in what is pending
  size_t parts_ = 0, field_bytes_ = 0;
  bool in_file_ = false;
  std::vector<FormField> fields_;
  std::vector<FormFile> files_;
};

// The form that came with a request of an upload route. Throws Refusal (kMediaType) where it was
// none.
const MultipartForm& FormOf(const Request& request);

// Whether a content type is one of multipart/..., in whichever case it is written.
bool IsMultipart(std::string_view content_type);

// The boundary that a content type of multipart/form-data names. Throws Refusal (kMediaType) for
// another type, (kInvalidValue) where it names none, or one that is not as RFC 2046 has it.
std::string BoundaryOf(const std::string& content_type);

}  // namespace gemma3n::server
