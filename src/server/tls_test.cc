// SPDX-License-Identifier: Apache-2.0
// TLS between a client of OpenSSL's own and a service, and the certificates that are made for it.
#include "server/tls.h"

#include <gmock/gmock.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <filesystem>

#include "gemma3n/error.h"
#include "server/certificate.h"
#include "server/frames.h"
#include "server/private_file.h"
#include "server/test_frames.h"
#include "server/test_service.h"

namespace gemma3n::server {
namespace {

using std::chrono::hours;
using testing::EndsWith;
using testing::IsEmpty;
using testing::StartsWith;

const std::string& Pem() {
  static const std::string pem = MakeCertificate({"localhost", "127.0.0.1"}, hours(24 * 60));
  return pem;
}

// Sends bodies back; as pieces on /stream; on /ws, messages.
class Echo : public Handler {
 public:
  void Admit(Request&) override {}
  void Handle(const Request& request, Exchange& exchange) override {
    if (request.path == "/ws") {
      const std::unique_ptr<WebSocket> socket = exchange.Upgrade("");
      WebSocket::Message message;
      while (socket->Read(message, Clock::time_point::max()) == WebSocket::Outcome::kMessage) {
        socket->Send(message.data);
      }
      return;
    }
    if (request.path != "/stream") return exchange.Send({.body = request.body});
    exchange.BeginStream({});
    for (int i = 0; i < 100; ++i) exchange.Write(std::string(10'000, 'x'));
  }
  Response Refused(const Request&, const Refusal& refusal) override {
    return {.body = refusal.what()};
  }
  Headers Common(const Request&) override { return {}; }
  void Finished(const Request&, int, uint64_t, double) override {}
};

// A client that trusts the certificate alone.
class Client {
 public:
  Client(Socket socket, const char* name, int newest = TLS1_3_VERSION)
      : socket_(std::move(socket)), context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_security_level(context_, 0);  // else it would not even ask for old versions
    SSL_CTX_set_max_proto_version(context_, newest);
    SSL_CTX_set_verify(context_, SSL_VERIFY_PEER, nullptr);
    BIO* const bio = BIO_new_mem_buf(Pem().data(), static_cast<int>(Pem().size()));
    X509* const certificate = PEM_read_bio_X509(bio, nullptr, nullptr, nullptr);
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context_), certificate);
    X509_free(certificate);
    BIO_free(bio);
    ssl_ = SSL_new(context_);
    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_), "127.0.0.1");
    if (name != nullptr) SSL_set_tlsext_host_name(ssl_, name);
    SSL_set_fd(ssl_, socket_.descriptor());
    is_connected_ = SSL_connect(ssl_) == 1;
  }
  ~Client() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }

  bool is_connected() const { return is_connected_; }
  int version() const { return SSL_version(ssl_); }
  void Put(const std::string& text) {
    EXPECT_EQ(SSL_write(ssl_, text.data(), static_cast<int>(text.size())),
              static_cast<int>(text.size()));
  }
  std::string Some() {
    char piece[16384];
    const int count = SSL_read(ssl_, piece, sizeof(piece));
    return std::string(piece, static_cast<size_t>(std::max(count, 0)));
  }
  // All that comes; whether its end was told is in `is_whole`.
  std::string Rest() {
    std::string text;
    for (std::string piece = Some(); !piece.empty(); piece = Some()) text += piece;
    is_whole = SSL_get_shutdown(ssl_) == SSL_RECEIVED_SHUTDOWN;
    return text;
  }
  bool is_whole = false;

 private:
  Socket socket_;
  SSL_CTX* const context_;
  SSL* ssl_ = nullptr;
  bool is_connected_ = false;
};

class TlsTest : public ServiceTest {
 protected:
  TlsTest() {
    limits_.body_bytes = limits_.all_bodies_bytes = 10 << 20;
    limits_.idle_seconds = limits_.body_grace_seconds = 20;
    Start(echo_, TlsFromText(Pem()));
  }
  ~TlsTest() override { acceptor_.reset(); }
  Echo echo_;
};

TEST_F(TlsTest, AnswersAreWhole) {
  Client client(Connect(), nullptr);
  ASSERT_TRUE(client.is_connected());
  const std::string body(3 << 20, 'b');
  client.Put("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(body.size()) +
             "\r\n\r\n" + body);
  std::string answer;
  while (answer.size() < body.size() || !answer.ends_with(body)) {
    const std::string piece = client.Some();
    ASSERT_FALSE(piece.empty());
    answer += piece;
  }
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200 "));
  client.Put("GET /stream HTTP/1.0\r\nHost: x\r\n\r\n");  // whose end is that of the connection
  EXPECT_THAT(client.Rest(), EndsWith(std::string(1'000'000, 'x')));
  EXPECT_TRUE(client.is_whole);
}

TEST_F(TlsTest, A16_OldProtocolsAreRefused) {
  EXPECT_FALSE(Client(Connect(), "localhost", TLS1_VERSION).is_connected());
  EXPECT_FALSE(Client(Connect(), "localhost", TLS1_1_VERSION).is_connected());
  const Client older(Connect(), "localhost", TLS1_2_VERSION);
  EXPECT_TRUE(older.is_connected());
  EXPECT_EQ(older.version(), TLS1_2_VERSION);
}

TEST_F(TlsTest, A16_NamesOfClientsDoNotMatter) {
  EXPECT_TRUE(Client(Connect(), nullptr).is_connected());
  EXPECT_TRUE(Client(Connect(), "localhost").is_connected());
  EXPECT_TRUE(
      Client(Connect(), "other.example").is_connected());  // that is for the client to judge
}

TEST_F(TlsTest, AHandshakeThatDoesNotComeIsNotWaitedFor) {
  Socket silent = Connect();
  EXPECT_THAT(Rest(silent), IsEmpty());
  Socket half = Connect();
  Put(half, "\x16\x03\x01");
  EXPECT_THAT(Rest(half), IsEmpty());
}

TEST_F(TlsTest, APlainRequestIsToldWhatThePortSpeaks) {
  Socket client = Connect();
  Put(client, "GET / HTTP/1.1\r\nHost: x\r\n" + std::string(10'000, 'x'));
  client.ShutDownWriting();
  const std::string answer = Rest(client);
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 400 "));
  EXPECT_THAT(answer, EndsWith("\r\nContent-Length: 34\r\nConnection: close\r\n\r\n"
                               "This port speaks https, not http.\n"));
}

TEST_F(TlsTest, WebSocketsSpeakIt) {
  Client client(Connect(), nullptr);
  client.Put(
      "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  EXPECT_THAT(client.Some(), StartsWith("HTTP/1.1 101 "));
  const std::string text(300'000, 'm');
  client.Put(ClientText(text) + ClientText("next"));
  const std::string expected = FrameBytes(Opcode::kText, text) + FrameBytes(Opcode::kText, "next");
  std::string came;
  while (came.size() < expected.size()) {
    const std::string piece = client.Some();
    ASSERT_FALSE(piece.empty());
    came += piece;
  }
  EXPECT_EQ(came, expected);
  client.Put(ClientFrame(kLast | 8, ClosePayload(1000, "")));
  EXPECT_EQ(client.Rest(), FrameBytes(Opcode::kClose, ClosePayload(1000, "")));
  EXPECT_TRUE(client.is_whole);
}

TEST(Certificate, IsForItsNamesAndForAWhile) {
  const std::vector<std::string> names = {"localhost", "box.lan", "127.0.0.1", "::1", "fd00::5"};
  const std::string pem = MakeCertificate(names, hours(24 * 60));
  EXPECT_TRUE(IsGoodCertificate(pem, names));
  EXPECT_TRUE(IsGoodCertificate(pem, {"localhost"}));
  EXPECT_FALSE(IsGoodCertificate(pem, {"localhost", "10.0.0.1"}));
  EXPECT_FALSE(IsGoodCertificate(pem, {"other.lan"}));
  EXPECT_FALSE(IsGoodCertificate(MakeCertificate(names, hours(24 * 29)), names));  // ends soon
  EXPECT_FALSE(IsGoodCertificate("", names));
  EXPECT_FALSE(IsGoodCertificate("-----BEGIN CERTIFICATE-----\nAAAA\n", names));
  EXPECT_EQ(Fingerprint(pem).size(), 32u * 3 - 1);
  EXPECT_NE(Fingerprint(pem), Fingerprint(MakeCertificate(names, hours(1))));
}

TEST(Certificate, A16_IsMadeAnewWhenItEndsOrTheAddressesChange) {
  const std::filesystem::path directory =
      std::filesystem::path(testing::TempDir()) / ("certificate_" + std::to_string(getpid()));
  const std::filesystem::path path = directory / "tls.pem";
  const std::string first = OwnCertificate(directory, {"localhost"});
  EXPECT_EQ(OwnCertificate(directory, {"localhost"}), first);
  const std::string for_clients = ReadPrivateFile(directory / "certificate.pem").value_or("");
  EXPECT_TRUE(IsGoodCertificate(for_clients, {"localhost"}));
  EXPECT_EQ(for_clients.find("PRIVATE"), std::string::npos);
  const std::string more = OwnCertificate(directory, {"localhost", "10.0.0.1"});
  EXPECT_NE(more, first);
  EXPECT_EQ(OwnCertificate(directory, {"localhost"}), more);
  WritePrivateFile(path, MakeCertificate({"localhost"}, std::chrono::seconds(-1)));  // expired
  const std::string anew = OwnCertificate(directory, {"localhost"});
  EXPECT_TRUE(IsGoodCertificate(anew, {"localhost"}));
  std::filesystem::remove_all(directory);
}

TEST(Certificate, OfOthersMustBeOne) {
  EXPECT_THROW(TlsFromFiles("/nowhere.pem", "/nowhere.pem"), Error);
  EXPECT_THROW(TlsFromText("no certificate"), Error);
  const std::string other = MakeCertificate({"localhost"}, hours(1));
  const size_t key = Pem().find("-----BEGIN PRIVATE KEY");
  EXPECT_THROW(
      TlsFromText(other.substr(0, other.find("-----BEGIN PRIVATE KEY")) + Pem().substr(key)),
      Error);  // the key of another
}

TEST_F(TlsTest, A16_ACertificateIsRenewedWhileItIsServed) {
  const std::string other = MakeCertificate({"localhost", "127.0.0.1"}, hours(24 * 60));
  int calls = 0;
  const auto pem = [&] {
    if (++calls == 3) throw Error(ErrorKind::kResources, "no room");
    return calls == 1 ? Pem() : other;
  };
  acceptor_.reset();
  Start(echo_, TlsRenewed(pem, std::chrono::seconds(0)));
  EXPECT_FALSE(Client(Connect(), "localhost").is_connected());  // it is another one now
  EXPECT_FALSE(Client(Connect(), "localhost").is_connected());  // ... and stays
  EXPECT_EQ(calls, 3);
  acceptor_.reset();
  calls = 0;
  Start(echo_, TlsRenewed(pem, hours(1)));
  EXPECT_TRUE(Client(Connect(), "localhost").is_connected());
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace gemma3n::server
