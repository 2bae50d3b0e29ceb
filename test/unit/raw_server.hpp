// A server of raw bytes on 127.0.0.1 for tests of the pool and of fetches: it answers each
// request with what a function returns, whole or not, and can close or fall silent in the middle.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "http.hpp"

namespace supaglue::testing {

struct Reply {
  std::string bytes;
  bool close = false;  // close the connection after them
};

/// A whole answer.
inline Reply answer(int status, const std::string &body, const std::string &headers = "") {
  return {"HTTP/1.1 " + std::to_string(status) + " X\r\n" + headers +
          "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body};
}

class RawServer {
 public:
  using Handler = std::function<Reply(const std::string &request)>;

  explicit RawServer(Handler handler) : handler_(std::move(handler)) {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (bind(listener_, reinterpret_cast<sockaddr *>(&address), size) != 0 ||
        listen(listener_, 256) != 0 ||
        getsockname(listener_, reinterpret_cast<sockaddr *>(&address), &size) != 0)
      std::abort();
    port_ = ntohs(address.sin_port);
    acceptor_ = std::thread([this] { accept_all(); });
  }
  ~RawServer() {
    stopping_ = true;
    shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    {
      std::lock_guard lock(mutex_);
      for (int client : clients_) shutdown(client, SHUT_RDWR);
    }
    for (std::thread &thread : threads_) thread.join();
    for (int client : clients_) close(client);
    close(listener_);
  }

  std::string origin() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int connections() const { return connections_; }
  std::vector<std::string> requests() const {
    std::lock_guard lock(mutex_);
    return requests_;
  }

 private:
  void accept_all() {
    for (;;) {
      int client = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (client < 0 || stopping_) {
        if (client >= 0) close(client);
        return;
      }
      connections_++;
      std::lock_guard lock(mutex_);
      clients_.push_back(client);
      threads_.emplace_back([this, client] { serve(client); });
    }
  }

  void serve(int client) {
    std::string request;
    while (read_request(client, request)) {
      {
        std::lock_guard lock(mutex_);
        requests_.push_back(request);
      }
      Reply reply = handler_(request);
      for (size_t sent = 0; sent < reply.bytes.size();) {
        ssize_t count =
            send(client, reply.bytes.data() + sent, reply.bytes.size() - sent, MSG_NOSIGNAL);
        if (count <= 0) return;
        sent += static_cast<size_t>(count);
      }
      if (reply.close) {
        shutdown(client, SHUT_RDWR);
        return;
      }
    }
  }

  static bool read_request(int client, std::string &request) {
    request.clear();
    char buffer[4096];
    for (;;) {
      if (request.starts_with('\x16')) return true;  // the hello of TLS
      size_t end = request.find("\r\n\r\n");
      if (end != std::string::npos) {
        size_t at = request.find("Content-Length: ");
        size_t length = at < end ? std::stoul(request.substr(at + 16)) : 0;
        if (request.size() >= end + 4 + length) return true;
      }
      ssize_t count = recv(client, buffer, sizeof buffer, 0);
      if (count <= 0) return false;
      request.append(buffer, static_cast<size_t>(count));
    }
  }

  Handler handler_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> connections_ = 0;
  mutable std::mutex mutex_;
  std::vector<int> clients_;
  std::vector<std::string> requests_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

inline PoolLimits loopback_limits() {
  PoolLimits limits;
  limits.allow_private_networks = true;
  limits.allow_insecure_http = true;
  limits.request_timeout_ms = 20'000;
  return limits;
}

/// Waits on the pool's descriptor and pumps until `done` holds; false after half a minute.
inline bool pump_until(Pool &pool, const std::function<bool()> &done) {
  auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    pollfd waited{pool.fd(), POLLIN, 0};
    if (poll(&waited, 1, 1000) > 0) pool.pump();
  }
  return true;
}

inline Response exchange(Pool &pool, const Request &request) {
  Response response;
  Pool::Transfer transfer = pool.start(request);
  if (!pump_until(pool, [&] { return pool.take(transfer, &response); }))
    response.failure_text = "the test waited in vain";
  return response;
}

inline Response get(Pool &pool, const std::string &url) {
  Request request;
  request.url = url;
  return exchange(pool, request);
}

}  // namespace supaglue::testing
