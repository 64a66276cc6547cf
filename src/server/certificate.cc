// SPDX-License-Identifier: Apache-2.0
#include "server/certificate.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <memory>

#include "gemma3n/error.h"
#include "server/listener.h"
#include "server/private_file.h"

namespace gemma3n::server {
namespace {

using std::chrono::hours;

constexpr hours kLife(24 * 397);  // browsers refuse more than 398 days
constexpr hours kReserve(24 * 30);
constexpr char kKeyBegins[] = "-----BEGIN PRIVATE KEY";

template <auto kFree>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Bio = std::unique_ptr<BIO, Freed<BIO_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;

void Check(bool done) {
  if (done) return;
  ERR_clear_error();
  throw Error(ErrorKind::kInternal, "tls: no certificate could be made");
}

bool IsAddress(const std::string& name) {
  in6_addr address;
  return inet_pton(AF_INET, name.c_str(), &address) == 1 ||
         inet_pton(AF_INET6, name.c_str(), &address) == 1;
}

void AddExtension(X509* certificate, int kind, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, certificate, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>> extension(
      X509V3_EXT_conf_nid(nullptr, &context, kind, value.c_str()));
  Check(extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1);
}

Certificate ReadCertificate(const std::string& pem) {
  const Bio bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  ERR_clear_error();
  return certificate;
}

// Letters, digits, dots and hyphens: what may stand in a certificate's name.
bool IsHostName(const std::string& name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '.' || c == '-';
  });
}

}  // namespace

std::string MakeCertificate(const std::vector<std::string>& names, std::chrono::seconds life) {
  const Key key(EVP_EC_gen("P-256"));
  const Certificate certificate(X509_new());
  Check(key != nullptr && certificate != nullptr);
  X509* const made = certificate.get();
  unsigned char serial[16];
  Check(RAND_bytes(serial, sizeof(serial)) == 1);
  serial[0] = (serial[0] & 0x3F) | 0x40;  // positive, and of full length
  const std::unique_ptr<BIGNUM, Freed<BN_free>> number(BN_bin2bn(serial, sizeof(serial), nullptr));
  Check(BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(made)) != nullptr);
  Check(X509_set_version(made, X509_VERSION_3) == 1);
  constexpr long kClocksDiffer = 3600;
  Check(X509_gmtime_adj(X509_getm_notBefore(made), -kClocksDiffer) != nullptr);
  Check(X509_gmtime_adj(X509_getm_notAfter(made), static_cast<long>(life.count())) != nullptr);
  X509_NAME* const subject = X509_get_subject_name(made);
  Check(X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                                   reinterpret_cast<const unsigned char*>("gemma3n"), -1, -1,
                                   0) == 1);
  Check(X509_set_issuer_name(made, subject) == 1 && X509_set_pubkey(made, key.get()) == 1);

  std::string alternatives;
  for (const std::string& name : names) {
    if (!IsAddress(name) && !IsHostName(name)) continue;
    alternatives +=
        (alternatives.empty() ? "" : ",") + std::string(IsAddress(name) ? "IP:" : "DNS:") + name;
  }
  AddExtension(made, NID_subject_alt_name, alternatives);
  AddExtension(made, NID_basic_constraints, "critical,CA:FALSE");
  AddExtension(made, NID_key_usage, "critical,digitalSignature");
  AddExtension(made, NID_ext_key_usage, "serverAuth");
  AddExtension(made, NID_subject_key_identifier, "hash");
  AddExtension(made, NID_authority_key_identifier, "keyid:always");
  Check(X509_sign(made, key.get(), EVP_sha256()) > 0);

  const Bio bio(BIO_new(BIO_s_mem()));
  Check(PEM_write_bio_X509(bio.get(), made) == 1 &&
        PEM_write_bio_PrivateKey(bio.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1);
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  return std::string(text, static_cast<size_t>(size));
}

bool IsGoodCertificate(const std::string& pem, const std::vector<std::string>& names) {
  const Certificate certificate = ReadCertificate(pem);
  if (certificate == nullptr) return false;
  time_t then = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now() + kReserve);
  if (X509_cmp_time(X509_get0_notAfter(certificate.get()), &then) < 0) return false;
  if (X509_cmp_current_time(X509_get0_notBefore(certificate.get())) > 0) return false;
  return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
    if (IsAddress(name)) return X509_check_ip_asc(certificate.get(), name.c_str(), 0) == 1;
    return !IsHostName(name) ||
           X509_check_host(certificate.get(), name.data(), name.size(), 0, nullptr) == 1;
  });
}

std::string Fingerprint(const std::string& pem) {
  const Certificate certificate = ReadCertificate(pem);
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  Check(certificate != nullptr && X509_digest(certificate.get(), EVP_sha256(), digest, &size) == 1);
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string text;
  for (unsigned i = 0; i < size; ++i) {
    if (i > 0) text += ':';
    text += {kDigits[digest[i] >> 4], kDigits[digest[i] & 15]};
  }
  return text;
}

std::string OwnCertificate(const std::filesystem::path& directory,
                           const std::vector<std::string>& names) {
  const std::filesystem::path path = directory / "tls.pem";
  if (const auto kept = ReadPrivateFile(path); kept && IsGoodCertificate(*kept, names)) {
    return *kept;
  }
  const std::string made = MakeCertificate(names, kLife);
  WritePrivateFile(path, made);
  WritePrivateFile(directory / "certificate.pem", made.substr(0, made.find(kKeyBegins)));
  return made;
}

std::vector<std::string> OwnNames() {
  std::vector<std::string> names = {"localhost"};
  char name[256] = "";
  if (gethostname(name, sizeof(name) - 1) == 0 && IsHostName(name)) {
    const std::string own(name);
    names.push_back(own);
    if (own.find('.') == std::string::npos) names.push_back(own + ".local");
  }
  names.insert(names.end(), {"127.0.0.1", "::1"});
  for (const std::string& address : MachineAddresses()) names.push_back(address);
  return names;
}

}  // namespace gemma3n::server
