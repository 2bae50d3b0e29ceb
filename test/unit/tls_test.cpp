// Tests of the pool against a server that speaks TLS and ends each connection with its answer.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include "http.hpp"
#include "raw_server.hpp"

namespace supaglue {
namespace {

template <auto function>
using Freed = std::integral_constant<decltype(function), function>;
using Key = std::unique_ptr<EVP_PKEY, Freed<&EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<&X509_free>>;

/// One that signs itself, for the loopback.
Certificate certificate_of(EVP_PKEY *key) {
  Certificate certificate(X509_new());
  X509 *x509 = certificate.get();
  X509_set_version(x509, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
  X509_gmtime_adj(X509_getm_notBefore(x509), -60);
  X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(x509), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char *>("loopback"), -1, -1, 0);
  X509_set_issuer_name(x509, X509_get_subject_name(x509));
  X509_set_pubkey(x509, key);
  X509_EXTENSION *names =
      X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, "IP:127.0.0.1");
  X509_add_ext(x509, names, -1);
  X509_EXTENSION_free(names);
  X509_sign(x509, key, EVP_sha256());
  return certificate;
}

class TlsServer {
 public:
  TlsServer() : key_(EVP_EC_gen("P-256")), certificate_(certificate_of(key_.get())) {
    SSL_CTX_use_certificate(context_.get(), certificate_.get());
    SSL_CTX_use_PrivateKey(context_.get(), key_.get());
    std::array<char, 64> name = {"/tmp/supaglue-tls-XXXXXX"};
    const int file = mkstemp(name.data());
    ca_bundle_ = name.data();
    FILE *out = fdopen(file, "w");
    PEM_write_X509(out, certificate_.get());
    std::fclose(out);
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    auto *plain = reinterpret_cast<sockaddr *>(&address);
    socklen_t length = sizeof address;
    bind(listener_, plain, length);
    listen(listener_, 8);
    getsockname(listener_, plain, &length);
    origin_ = "https://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this] { serve(); });
  }
  ~TlsServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
    std::filesystem::remove(ca_bundle_);
  }

  const std::string &origin() const { return origin_; }
  const std::string &ca_bundle() const { return ca_bundle_; }
  int resumed() const { return resumed_; }

 private:
  void serve() {
    for (int peer; (peer = accept(listener_, nullptr, nullptr)) >= 0; close(peer)) answer(peer);
  }
  void answer(int peer) {
    const std::unique_ptr<SSL, Freed<&SSL_free>> ssl(SSL_new(context_.get()));
    SSL_set_fd(ssl.get(), peer);
    if (SSL_accept(ssl.get()) != 1) return;
    resumed_ += SSL_session_reused(ssl.get());
    std::array<char, 4096> request;
    SSL_read(ssl.get(), request.data(), request.size());
    const std::string text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    SSL_write(ssl.get(), text.data(), static_cast<int>(text.size()));
    SSL_shutdown(ssl.get());
  }

  const Key key_;
  const Certificate certificate_;
  const std::unique_ptr<SSL_CTX, Freed<&SSL_CTX_free>> context_{SSL_CTX_new(TLS_server_method())};
  const int listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::string origin_, ca_bundle_;
  std::atomic<int> resumed_ = 0;
  std::thread thread_;
};

TEST(PoolByTls, AHandshakeIsShortenedByTheOneBeforeIt) {
  const TlsServer server;
  PoolLimits limits = testing::loopback_limits();
  limits.ca_bundle = server.ca_bundle();
  Pool pool(limits);
  for (int number = 0; number < 3; ++number) {
    const Response response = testing::get(pool, server.origin() + "/");
    EXPECT_EQ(response.failure, Response::Failure::kNone) << response.failure_text;
    EXPECT_EQ(response.body, "ok");
    EXPECT_EQ(server.resumed(), number);
  }
}

TEST(PoolByTls, ACertificateThatNobodyVouchesForIsRefused) {
  const TlsServer server;
  Pool pool(testing::loopback_limits());
  EXPECT_EQ(testing::get(pool, server.origin() + "/").failure, Response::Failure::kTls);
}

}  // namespace
}  // namespace supaglue
