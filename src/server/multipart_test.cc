// SPDX-License-Identifier: Apache-2.0
#include "server/multipart.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace gemma3n::server {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::shared_ptr<DiskBudget> kBudget = std::make_shared<DiskBudget>(1 << 20);

std::string Part(const std::string& head, const std::string& value) {
  return "--b\r\nContent-Disposition: form-data; " + head + "\r\n\r\n" + value + "\r\n";
}
const std::string kEnd = "--b--\r\n";

// Fed with pieces of `step` bytes.
MultipartForm Read(const std::string& body, size_t step = SIZE_MAX, const FormLimits& limits = {}) {
  MultipartForm form("b", limits, kBudget);
  for (size_t at = 0; at < body.size(); at += std::min(step, body.size() - at)) {
    form.Take(std::string_view(body).substr(at, step));
  }
  form.End();
  return form;
}

std::string Complaint(const std::string& body, Reason reason = Reason::kInvalidValue) {
  try {
    Read(body);
  } catch (const Refusal& refusal) {
    EXPECT_EQ(refusal.reason, reason) << refusal.what();
    return refusal.what();
  }
  return "none";
}

TEST(Multipart, FieldsAndAFileHoweverTheyAreCut) {
  const std::string bytes =
      "RIFF\r\n--\r\n-b\r\n--\0x\r\n\r\n--"
      "c" +
      std::string(5000, '\r');
  const std::string body =
      Part("name=\"model\"", "nano") + Part("name=\"file\"; filename=\"a \\\"b\\\".wav\"", bytes) +
      Part("name=\"include[]\"", "logprobs") + Part("name=include", "more") + Part("name=e", "");
  for (const size_t step : {1, 2, 3, 7, 64, 100000}) {
    const MultipartForm form = Read(body + kEnd, step);
    EXPECT_EQ(form.Text("model"), "nano");
    EXPECT_EQ(form.Text("e"), std::nullopt);
    EXPECT_THAT(form.List("include"), ElementsAre("logprobs", "more"));
    EXPECT_THAT(form.Others({"model", "e"}), ElementsAre("include"));
    EXPECT_EQ(form.File("file").label, "a \"b\".wav");
    EXPECT_EQ(form.File("file").bytes->Text(), bytes);
  }
  EXPECT_EQ(kBudget->taken(), 0u);
}

TEST(Multipart, ValuesHaveTheirTypes) {
  const MultipartForm form =
      Read(Part("name=t", "0.5") + Part("name=s", "True") + Part("name=w", "srt") +
           Part("name=x", "1e") + Part("name=x2", "7") + Part("name=x2", "8") + kEnd);
  EXPECT_EQ(form.Number("t", 0, 1), 0.5);
  EXPECT_TRUE(form.Flag("s", false));
  EXPECT_TRUE(form.Flag("absent", true));
  EXPECT_EQ(form.Word("w", {"json", "srt"}), "srt");
  EXPECT_THROW(form.Number("t", 0.6, 1), Refusal);
  EXPECT_THROW(form.Number("x", 0, 1), Refusal);
  EXPECT_THROW(form.Text("x2"), Refusal);
  EXPECT_THROW(form.Flag("w", false), Refusal);
  EXPECT_THROW(form.Word("w", {"json", "text"}), Refusal);
  EXPECT_THROW(form.File("file"), Refusal);
}

TEST(Multipart, hostile_H22) {
  for (const char* type : {"multipart/form-data", "multipart/form-data; boundary=",
                           "multipart/form-data; boundary=\"a", "multipart/form-data; boundary=a;b",
                           "multipart/form-data; boundary=a; boundary=b"}) {
    EXPECT_THROW(BoundaryOf(type), Refusal) << type;
  }
  EXPECT_THROW(BoundaryOf("multipart/form-data; boundary=" + std::string(10 << 10, 'b')), Refusal);
  EXPECT_THROW(BoundaryOf("multipart/mixed; boundary=b"), Refusal);
  EXPECT_EQ(BoundaryOf("Multipart/Form-Data; charset=utf-8; Boundary=\"b c\""), "b c");

  const std::string field = Part("name=a", "1");
  EXPECT_THAT(Complaint(field), HasSubstr("before its last boundary"));
  EXPECT_THAT(Complaint(""), HasSubstr("before its last boundary"));
  EXPECT_THAT(Complaint("x" + field + kEnd), HasSubstr("at the beginning"));
  EXPECT_THAT(Complaint(field + kEnd + "more"), HasSubstr("behind its end"));
  EXPECT_THAT(Complaint(field + "--bc\r\n" + kEnd), HasSubstr("goes on differently"));
  EXPECT_THAT(Complaint("--b\r\nContent-Disposition: form-data; name=a\r\n"
                        "Content-Type: multipart/mixed; boundary=c\r\n\r\n--c--\r\n" +
                        kEnd),
              HasSubstr("a form itself"));
  std::string many;
  for (int i = 0; i < 64; ++i) many += field;
  EXPECT_EQ(Read(many + kEnd).fields().size(), 64u);
  EXPECT_THAT(Complaint(many + field + kEnd, Reason::kTooLarge), HasSubstr("64 parts"));
  EXPECT_THAT(Complaint(Part("x=a", "1") + kEnd), HasSubstr("without a name"));
  EXPECT_THAT(Complaint(Part("name=\"\"", "1") + kEnd), HasSubstr("without a name"));
  EXPECT_THAT(Complaint("--b\r\nX: y\r\n\r\n1\r\n" + kEnd), HasSubstr("without a name"));
  const std::string file = Part("name=file; filename=x.wav", "RIFF");
  EXPECT_THAT(Complaint(file + file + kEnd), HasSubstr("one file"));
  for (const std::string& label :
       {std::string("../../x"), std::string("/etc/passwd"), std::string("..\\\\x"),
        std::string("a\0b", 3), std::string("a\tb"), std::string("..")}) {
    EXPECT_NE(Complaint(Part("name=file; filename=\"" + label + "\"", "RIFF") + kEnd), "none")
        << label;
  }
}

TEST(Multipart, HeadersOfAPartAreBounded) {
  const std::string long_header = "--b\r\nX: " + std::string(5000, 'x');
  EXPECT_THAT(Complaint(long_header, Reason::kTooLarge), HasSubstr("4096"));
  EXPECT_THAT(Complaint(long_header + "\r\n\r\n", Reason::kTooLarge), HasSubstr("4096"));
  EXPECT_THAT(Complaint("--b\r\nno colon\r\n\r\n"), HasSubstr("Name: value"));
  EXPECT_THAT(Complaint("--b\r\nContent-Disposition: attachment; name=a\r\n\r\n"),
              HasSubstr("form-data"));
  EXPECT_THAT(Complaint("--b\r\nContent-Disposition: form-data; name=a\r\n"
                        "Content-Transfer-Encoding: base64\r\n\r\n"),
              HasSubstr("transfer encoding"));
  EXPECT_THAT(Complaint(Part("name=a; name=b", "1")), HasSubstr("twice"));
  EXPECT_THAT(Complaint(Part("name=\"a", "1")), HasSubstr("no end"));
}

TEST(Multipart, FieldsAndFilesAreBounded) {
  EXPECT_EQ(Read(Part("name=a", std::string(1 << 20, 'x')) + kEnd).fields().size(), 1u);
  EXPECT_THAT(Complaint(Part("name=a", std::string(1 << 20, 'x')) + Part("name=b", "y") + kEnd,
                        Reason::kTooLarge),
              HasSubstr("fields"));
  EXPECT_THAT(
      Complaint(Part("name=a; filename=f", std::string((1 << 20) + 1, 'x')) + kEnd, Reason::kBusy),
      HasSubstr("other uploads"));
  EXPECT_EQ(kBudget->taken(), 0u);
}

}  // namespace
}  // namespace gemma3n::server
