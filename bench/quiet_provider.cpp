// A Salesforce without records, for ten thousand customers at once: one thread, and next to no CPU,
// where the simulator has a thread for each connection that looks around a hundred times a second.
// It answers late, as told.
//   quiet_provider --port-file FILE
// POST /control/latency {"ms": N}, POST /control/reset_counters, GET /control/counters
#include <arpa/inet.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <fstream>
#include <iostream>
#include <string>
#include <string_view>
#include <unordered_map>

namespace {

using Clock = std::chrono::steady_clock;

struct Peer {
  int number = 0;  // descriptors are used again, these are not
  std::string received;
};

struct Answer {
  Clock::time_point due;
  int fd, number;
  std::string text;
};

std::string describe() {
  std::string fields = R"({"name":"Id","type":"id"},{"name":"SystemModstamp","type":"datetime"},)"
                       R"({"name":"IsDeleted","type":"boolean"})";
  for (int i = 0; i < 45; i++)
    fields += R"(,{"name":"Field_)" + std::to_string(i) + R"(__c","type":"string"})";
  return R"({"name":"Contact","queryable":true,"fields":[)" + fields + "]}";
}

std::string response(int status, const std::string &body) {
  char date[64];
  const std::time_t now = std::time(nullptr);
  std::strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", std::gmtime(&now));
  return "HTTP/1.1 " + std::to_string(status) + " Told\r\nDate: " + date +
         "\r\nContent-Type: application/json;charset=UTF-8\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

class Provider {
 public:
  Provider() : epoll_(epoll_create1(0)), listening_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (bind(listening_, reinterpret_cast<sockaddr *>(&address), length) != 0 ||
        listen(listening_, 4096) != 0 ||
        getsockname(listening_, reinterpret_cast<sockaddr *>(&address), &length) != 0)
      std::exit(1);
    port_ = ntohs(address.sin_port);
    watch(listening_);
  }

  int port() const { return port_; }

  [[noreturn]] void serve() {
    epoll_event events[256];
    while (true) {
      const int count = epoll_wait(epoll_, events, 256, milliseconds_to_next());
      for (int i = 0; i < count; i++) {
        if (events[i].data.fd == listening_)
          accept_one();
        else
          receive(events[i].data.fd);
      }
      send_what_is_due();
    }
  }

 private:
  void watch(int fd) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event);
  }

  int milliseconds_to_next() const {
    if (late_.empty()) return -1;
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(late_.front().due - Clock::now());
    return static_cast<int>(std::max<long>(0, left.count()));
  }

  void accept_one() {
    const int fd = accept4(listening_, nullptr, nullptr, SOCK_NONBLOCK);
    if (fd < 0) return;
    peers_[fd] = {++last_number_, {}};
    watch(fd);
  }

  void receive(int fd) {
    char buffer[16384];
    const ssize_t size = read(fd, buffer, sizeof buffer);
    if (size <= 0) {
      if (size < 0 && errno == EAGAIN) return;
      peers_.erase(fd);
      close(fd);
      return;
    }
    std::string &text = peers_[fd].received;
    text.append(buffer, static_cast<size_t>(size));
    while (const size_t whole = length_of_request(text)) {
      handle(fd, text.substr(0, whole));
      text.erase(0, whole);
    }
  }

  // 0: not yet whole.
  static size_t length_of_request(const std::string &text) {
    const size_t end = text.find("\r\n\r\n");
    if (end == std::string::npos) return 0;
    size_t body = 0;
    for (const char *name : {"\r\nContent-Length: ", "\r\ncontent-length: "})
      if (const size_t at = text.find(name); at < end)
        body = std::strtoul(text.c_str() + at + 18, nullptr, 10);
    return text.size() >= end + 4 + body ? end + 4 + body : 0;
  }

  void handle(int fd, const std::string &request) {
    const std::string_view line(request.data(), request.find('\r'));
    const auto has = [&](const char *part) { return line.find(part) != line.npos; };
    if (has(" /control/")) {
      if (has("/latency")) latency_ = std::chrono::milliseconds(number_in(request, "\"ms\":"));
      if (has("/reset_counters")) requests_ = 0;
      return answer(fd, Clock::now(), "{\"requests\":" + std::to_string(requests_) + "}");
    }
    requests_++;
    const auto due = Clock::now() + latency_;
    if (has("/services/oauth2/token")) {
      const std::string url = "http://127.0.0.1:" + std::to_string(port_);
      return answer(fd, due,
                    R"({"access_token":"token","instance_url":")" + url + R"(","id":")" + url +
                        R"(/id/00D/005","token_type":"Bearer","issued_at":"1700000000000"})");
    }
    static const std::string described = describe();
    if (has("/describe ")) return answer(fd, due, described);
    if (has("/query")) return answer(fd, due, R"({"totalSize":0,"done":true,"records":[]})");
    answer(fd, due, "[]", 404);
  }

  static long number_in(const std::string &text, const char *after) {
    const size_t at = text.find(after);
    return at == std::string::npos
               ? 0
               : std::strtol(text.c_str() + at + std::string_view(after).size(), nullptr, 10);
  }

  void answer(int fd, Clock::time_point due, const std::string &body, int status = 200) {
    Answer answer{due, fd, peers_[fd].number, response(status, body)};
    if (due <= Clock::now())
      send(answer);
    else
      late_.push_back(std::move(answer));  // all are equally late, so they stay in order
  }

  void send_what_is_due() {
    while (!late_.empty() && late_.front().due <= Clock::now()) {
      send(late_.front());
      late_.pop_front();
    }
  }

  // An answer fits into the socket's buffer.
  void send(const Answer &answer) {
    const auto peer = peers_.find(answer.fd);
    if (peer != peers_.end() && peer->second.number == answer.number)
      ::send(answer.fd, answer.text.data(), answer.text.size(), MSG_NOSIGNAL);
  }

  const int epoll_, listening_;
  int port_ = 0, last_number_ = 0;
  long requests_ = 0;
  std::chrono::milliseconds latency_{0};
  std::unordered_map<int, Peer> peers_;
  std::deque<Answer> late_;
};

}  // namespace

int main(int argc, char **argv) {
  Provider provider;
  std::string file;
  for (int i = 1; i + 1 < argc; i++)
    if (std::string(argv[i]) == "--port-file") file = argv[i + 1];
  if (file.empty()) return 2;
  std::ofstream(file + ".new") << provider.port() << "\n";
  std::rename((file + ".new").c_str(), file.c_str());
  provider.serve();
}
