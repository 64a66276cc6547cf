// SPDX-License-Identifier: Apache-2.0
// A BIO of ours stands under OpenSSL: its own would write without MSG_NOSIGNAL, and a client that
// leaves would end the process.
#include "server/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <mutex>

#include "gemma3n/error.h"

namespace gemma3n::server {
namespace {

template <auto kFree>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Context = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;

// A call of the socket as BIO's want it: bytes, or -1 and whether to try again.
int AsBio(BIO* bio, ssize_t count, void (*retry)(BIO*)) {
  BIO_clear_retry_flags(bio);
  if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) retry(bio);
  return static_cast<int>(count);
}

int DescriptorOf(BIO* bio) {
  return static_cast<int>(reinterpret_cast<intptr_t>(BIO_get_data(bio)));
}

int WriteBio(BIO* bio, const char* data, int size) {
  const auto count =
      send(DescriptorOf(bio), data, static_cast<size_t>(size), MSG_NOSIGNAL | MSG_DONTWAIT);
  return AsBio(bio, count, [](BIO* own) { BIO_set_retry_write(own); });
}

int ReadBio(BIO* bio, char* data, int size) {
  const auto count = recv(DescriptorOf(bio), data, static_cast<size_t>(size), MSG_DONTWAIT);
  return AsBio(bio, count, [](BIO* own) { BIO_set_retry_read(own); });
}

// Nothing waits in it, so flushing it, which OpenSSL asks for, is done at once.
long ControlBio(BIO*, int command, long, void*) {
  return command == BIO_CTRL_FLUSH ? 1 : 0;
}

BIO_METHOD* SocketMethod() {
  static BIO_METHOD* const method = [] {
    BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket");
    BIO_meth_set_write(made, WriteBio);
    BIO_meth_set_read(made, ReadBio);
    BIO_meth_set_ctrl(made, ControlBio);
    return made;
  }();
  return method;
}

class OpenSslChannel : public TlsChannel {
 public:
  OpenSslChannel(SSL_CTX* context, int descriptor) : ssl_(SSL_new(context)) {
    BIO* const bio = BIO_new(SocketMethod());
    if (ssl_ == nullptr || bio == nullptr) {
      BIO_free(bio);
      throw std::bad_alloc();
    }
    BIO_set_data(bio, reinterpret_cast<void*>(static_cast<intptr_t>(descriptor)));
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl_.get(), bio, bio);
    SSL_set_accept_state(ssl_.get());
  }

  Outcome Handshake() override {
    return Do([this] { return SSL_do_handshake(ssl_.get()); });
  }
  Outcome Read(char* data, size_t size, size_t& count) override {
    count = 0;
    return Do([&] { return SSL_read_ex(ssl_.get(), data, size, &count); });
  }
  Outcome Write(std::string_view data, size_t& count) override {
    count = 0;
    return Do([&] { return SSL_write_ex(ssl_.get(), data.data(), data.size(), &count); });
  }
  bool HasPending() override {
    const std::lock_guard lock(mutex_);
    return SSL_pending(ssl_.get()) > 0;
  }
  void End() override {
    Do([this] { return SSL_shutdown(ssl_.get()) < 0 ? -1 : 1; });
  }
  bool IsPlainHttp() const override { return is_plain_http_; }

 private:
  template <typename Call>
  Outcome Do(const Call& call) {
    const std::lock_guard lock(mutex_);
    if (is_over_) return Outcome::kEnd;
    ERR_clear_error();
    const int result = call();
    if (result > 0) return Outcome::kDone;
    switch (SSL_get_error(ssl_.get(), result)) {
      case SSL_ERROR_WANT_READ:
        return Outcome::kWantsRead;
      case SSL_ERROR_WANT_WRITE:
        return Outcome::kWantsWrite;
      case SSL_ERROR_ZERO_RETURN:  // the peer sends no more; we still may
        return Outcome::kEnd;
      default:
        is_plain_http_ = ERR_GET_REASON(ERR_peek_error()) == SSL_R_HTTP_REQUEST;
        ERR_clear_error();
        is_over_ = true;  // behind an error nothing may be called any more
        return Outcome::kEnd;
    }
  }

  std::mutex mutex_;
  const std::unique_ptr<SSL, Freed<SSL_free>> ssl_;
  bool is_over_ = false, is_plain_http_ = false;
};

// The one protocol we have, where the client offers a choice (ALPN).
int ChooseProtocol(SSL*, const unsigned char** chosen, unsigned char* length,
                   const unsigned char* offered, unsigned offered_length, void*) {
  static constexpr unsigned char kHttp11[] = "\x08http/1.1";
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, length, kHttp11, sizeof(kHttp11) - 1, offered,
                            offered_length) != OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

class OpenSslContext : public TlsContext {
 public:
  OpenSslContext() : context_(SSL_CTX_new(TLS_server_method())) {
    if (context_ == nullptr) throw std::bad_alloc();
    SSL_CTX* const context = context_.get();
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    // No state of past connections: a handshake costs a millisecond.
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                     SSL_OP_NO_TICKET | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_alpn_select_cb(context, ChooseProtocol, nullptr);
    // Nobody is there to be asked for a password.
    SSL_CTX_set_default_passwd_cb(context, [](char*, int, int, void*) { return 0; });
  }

  SSL_CTX* get() const { return context_.get(); }
  std::unique_ptr<TlsChannel> Accept(int descriptor) const override {
    return std::make_unique<OpenSslChannel>(context_.get(), descriptor);
  }

 private:
  const Context context_;
};

class RenewedContext : public TlsContext {
 public:
  RenewedContext(std::function<std::string()> pem, std::chrono::seconds period)
      : pem_(std::move(pem)), period_(period), current_(TlsFromText(pem_())) {}

  std::unique_ptr<TlsChannel> Accept(int descriptor) const override {
    return Current()->Accept(descriptor);
  }

 private:
  std::shared_ptr<const TlsContext> Current() const {
    const std::lock_guard lock(mutex_);
    const auto now = std::chrono::steady_clock::now();
    if (now - looked_at_ < period_) return current_;
    looked_at_ = now;
    try {
      current_ = TlsFromText(pem_());
    } catch (const std::exception& error) {
      std::fprintf(stderr, "gemma3n: %s\n", error.what());
    }
    return current_;
  }

  const std::function<std::string()> pem_;
  const std::chrono::seconds period_;
  mutable std::mutex mutex_;  // of what follows, and of calls of pem_
  mutable std::shared_ptr<const TlsContext> current_;
  mutable std::chrono::steady_clock::time_point looked_at_ = std::chrono::steady_clock::now();
};

// What OpenSSL has to say about what just failed.
std::string Why() {
  const char* const reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason == nullptr ? "unknown" : reason;
}

}  // namespace

std::shared_ptr<const TlsContext> TlsFromFiles(const std::string& certificate,
                                               const std::string& key) {
  const auto context = std::make_shared<OpenSslContext>();
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(context->get(), certificate.c_str()) != 1) {
    throw Error(ErrorKind::kUsage,
                "tls-cert: " + certificate + ": expected certificates in PEM: " + Why());
  }
  if (SSL_CTX_use_PrivateKey_file(context->get(), key.c_str(), SSL_FILETYPE_PEM) != 1) {
    throw Error(
        ErrorKind::kUsage,
        "tls-key: " + key +
            ": expected the certificate's private key in PEM, without a password: " + Why());
  }
  return context;
}

std::shared_ptr<const TlsContext> TlsFromText(const std::string& pem) {
  const auto context = std::make_shared<OpenSslContext>();
  const auto bio = [&] {
    return std::unique_ptr<BIO, Freed<BIO_free>>(
        BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  };
  const std::unique_ptr<X509, Freed<X509_free>> certificate(
      PEM_read_bio_X509(bio().get(), nullptr, nullptr, nullptr));
  const std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>> key(
      PEM_read_bio_PrivateKey(bio().get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr || key == nullptr ||
      SSL_CTX_use_certificate(context->get(), certificate.get()) != 1 ||
      SSL_CTX_use_PrivateKey(context->get(), key.get()) != 1) {
    throw Error(ErrorKind::kUsage, "tls: a certificate that is none: " + Why());
  }
  return context;
}

std::shared_ptr<const TlsContext> TlsRenewed(std::function<std::string()> pem,
                                             std::chrono::seconds period) {
  return std::make_shared<RenewedContext>(std::move(pem), period);
}

}  // namespace gemma3n::server
