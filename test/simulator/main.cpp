// simulator: the program: options, and HTTP by cpp-httplib. The only file that knows the library.
#include <arpa/inet.h>
#include <httplib.h>
#include <malloc.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <thread>

#include "control.hpp"

using namespace simulator;

namespace {

// A connection has a thread for as long as it is kept alive, and so has a held request.
constexpr size_t thread_count = 1024;

struct Options {
  int port = 0;
  std::string port_file, certificate, key;
  int latency_ms = 0;
  OAuth::Rotation rotation = OAuth::Rotation::none;
  World::Options world;
  Salesforce::Options salesforce;
};

[[noreturn]] void usage(const std::string &complaint) {
  std::cerr << "simulator: " << complaint << "\n"
            << "usage: simulator [--port N] [--port-file FILE] [--data DIR]\n"
               "                 [--records N | --records Object=N,...] [--seed N] [--strict]\n"
               "                 [--rotate none|grace|strict] [--page-size N] [--latency-ms N]\n"
               "                 [--page-cache-mb N] [--https CERT KEY]\n";
  std::exit(2);
}

size_t number_of(const std::string &option, const std::string &text) {
  if (text.empty() || text.size() > 9 || text.find_first_not_of("0123456789") != std::string::npos)
    usage(option + " takes a number, not '" + text + "'");
  return std::stoul(text);
}

// 1000, or Contact=1000,Lead=5, or both.
void read_records(World::Options &world, const std::string &text) {
  for (size_t start = 0, comma; start <= text.size(); start = comma + 1) {
    comma = std::min(text.find(',', start), text.size());
    const std::string part = text.substr(start, comma - start);
    const size_t equals = part.find('=');
    const std::string object = equals == std::string::npos ? "" : part.substr(0, equals);
    world.records[object] =
        number_of("--records", equals == std::string::npos ? part : part.substr(equals + 1));
  }
}

Options read_options(const std::vector<std::string> &arguments) {
  Options options;
  for (size_t i = 0; i < arguments.size(); i++) {
    const std::string &option = arguments[i];
    const auto value = [&]() -> const std::string & {
      if (++i >= arguments.size()) usage(option + " needs a value");
      return arguments[i];
    };
    if (option == "--port")
      options.port = static_cast<int>(number_of(option, value()));
    else if (option == "--port-file")
      options.port_file = value();
    else if (option == "--data")
      options.world.data_directory = value();
    else if (option == "--records")
      read_records(options.world, value());
    else if (option == "--seed")
      options.world.seed = number_of(option, value());
    else if (option == "--strict")
      options.world.strict = true;
    else if (option == "--rotate")
      options.rotation = rotation_from(value());
    else if (option == "--latency-ms")
      options.latency_ms = static_cast<int>(number_of(option, value()));
    else if (option == "--https")
      options.certificate = value(), options.key = value();
    else if (option == "--page-cache-mb")
      options.salesforce.page_cache_bytes = number_of(option, value()) << 20;
    else if (option == "--page-size") {
      options.salesforce.page_size = std::max<size_t>(1, number_of(option, value()));
      options.salesforce.any_page_size = true;
    } else
      usage("unknown option " + option);
  }
  return options;
}

Request request_from(const httplib::Request &from) {
  Request request;
  request.method = from.method;
  request.path = from.path;
  for (const auto &[name, text] : from.params) {  // one that is repeated is a list
    const auto [param, is_new] = request.params.emplace(name, text);
    if (!is_new && param->second != text) param->second += "," + text;
  }
  for (const auto &[name, text] : from.headers) request.headers.emplace(lower(name), text);
  request.body = from.body;
  request.client_port = from.remote_port;
  return request;
}

// The library has no way to close a connection without an answer, so its socket is looked for by
// the client's port.
void close_connection(int client_port) {
  for (int fd = 3; fd < 4096; fd++) {
    sockaddr_in peer{};
    socklen_t length = sizeof peer;
    if (getpeername(fd, reinterpret_cast<sockaddr *>(&peer), &length) == 0 &&
        peer.sin_family == AF_INET && ntohs(peer.sin_port) == client_port)
      shutdown(fd, SHUT_RDWR);
  }
}

// Bodies are shared with the cache of pages, and sent without a copy.
void send(const Response &response, int client_port, httplib::Response &to) {
  to.status = response.status;
  for (const auto &[name, value] : response.headers) {
    to.headers.erase(name);
    to.set_header(name, value);
  }
  if (response.mishap == Mishap::close) close_connection(client_port);
  if (response.next_chunk) {
    to.set_chunked_content_provider(response.type,
                                    [next = response.next_chunk](size_t, httplib::DataSink &sink) {
                                      std::string chunk;
                                      const bool is_more = next(chunk);
                                      if (!chunk.empty() && !sink.write(chunk.data(), chunk.size()))
                                        return false;
                                      if (!is_more) sink.done();
                                      return true;
                                    });
    return;
  }
  if (response.is_gzip) to.set_header("Content-Encoding", "gzip");
  const auto body = response.body;
  if (body->empty() || response.status == 304 || response.status == 204) {
    if (response.status == 200) to.set_content("", response.type);
    return;
  }
  to.set_content_provider(body->size(), response.type,
                          [body, mishap = response.mishap, ms = response.mishap_ms](
                              size_t offset, size_t length, httplib::DataSink &sink) {
                            if (mishap == Mishap::cut) {
                              if (offset >= body->size() / 2) return false;
                              length = body->size() / 2 - offset;
                              if (length == 0) return false;
                            }
                            if (mishap == Mishap::drip) {
                              length = std::min<size_t>(length, 64);
                              std::this_thread::sleep_for(std::chrono::milliseconds(ms));
                            }
                            return sink.write(body->data() + offset, length);
                          });
}

void configure(httplib::Server &server, Control &control, int *listening_socket) {
  server.new_task_queue = [] { return new httplib::ThreadPool(thread_count); };
  server.set_keep_alive_max_count(1u << 30);
  server.set_keep_alive_timeout(60);
  server.set_tcp_nodelay(true);
  server.set_write_timeout(60);
  server.set_socket_options([listening_socket](int socket) {
    const int yes = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    *listening_socket = socket;
  });
  const auto handler = [&control](const httplib::Request &from, httplib::Response &to) {
    const Request request = request_from(from);
    send(control.serve(request), request.client_port, to);
  };
  const char *const everything = R"([\s\S]*)";
  server.Get(everything, handler);
  server.Post(everything, handler);
  server.Put(everything, handler);
  server.Patch(everything, handler);
  server.Delete(everything, handler);
}

// Written aside and renamed, so that whoever waits for the file finds it whole.
void write_port_file(const std::string &path, int port) {
  if (path.empty()) return;
  std::ofstream(path + ".new") << port << "\n";
  if (std::rename((path + ".new").c_str(), path.c_str()) != 0) {
    std::perror(("simulator: " + path).c_str());
    std::_Exit(1);
  }
}

// Signals are waited for by a thread of their own; there is nothing to save.
void stop_on_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
  std::thread([signals] {
    int signal = 0;
    sigwait(&signals, &signal);
    std::_Exit(0);
  }).detach();
}

int run(const Options &options) {
  World world(options.world);
  Clock clock;
  Salesforce salesforce(world, clock, options.salesforce);
  hubspot::Portals portals({options.world.records, options.world.seed}, options.world.strict);
  hubspot::Api hubspot(portals, clock);
  Control control(world, clock, salesforce, hubspot, options.latency_ms);
  salesforce.oauth().set_rotation(options.rotation);

  const bool is_https = !options.certificate.empty();
  std::unique_ptr<httplib::Server> server;
  if (is_https)
    server = std::make_unique<httplib::SSLServer>(options.certificate.c_str(), options.key.c_str());
  else
    server = std::make_unique<httplib::Server>();
  if (!server->is_valid()) usage("the certificate or its key cannot be used");

  int listening_socket = -1;
  configure(*server, control, &listening_socket);
  int port = options.port;
  if (port == 0)
    port = server->bind_to_any_port("127.0.0.1");
  else if (!server->bind_to_port("127.0.0.1", port))
    port = -1;
  if (port < 0) {
    std::cerr << "simulator: cannot listen on port " << options.port << "\n";
    return 1;
  }
  listen(listening_socket, 1024);  // the library's own backlog is 5
  const std::string url =
      (is_https ? "https" : "http") + std::string("://127.0.0.1:") + std::to_string(port);
  salesforce.oauth().set_base_url(url);
  hubspot.set_base_url(url);
  std::cout << url << std::endl;
  write_port_file(options.port_file, port);
  return server->listen_after_bind() ? 0 : 1;
}

}  // namespace

int main(int argc, char **argv) {
  stop_on_signals();
  // Pages go back to the system when they are let go; else every thread would keep its largest.
  mallopt(M_MMAP_THRESHOLD, 1 << 20);
  try {
    return run(read_options({argv + 1, argv + argc}));
  } catch (const std::exception &error) {
    std::cerr << "simulator: " << error.what() << "\n";
    return 1;
  }
}
