/*
 * An HTTP load generator: the same POST again and again over keep-alive connections, each
 * answer read to its end and counted by its status.
 *
 *     load HOST PORT PATH BODY CONNECTIONS REQUESTS RATE [KEYS]
 *
 * RATE 0: every connection sends its next request when it has the answer to the last one.
 * Otherwise so many requests a second are due, evenly, whether or not the answers keep up;
 * one that is due while every connection is busy waits, and its latency counts from when
 * it was due (so a server that stalls can't hide it).
 *
 * KEYS: each request has an Idempotency-Key of its own, which begins with that.
 *
 * Prints one line of JSON: seconds, the count of each status, latencies in milliseconds.
 * Left out: TLS, chunked answers, redirects, pipelining.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { ANSWER_MAX = 16384, CONNECTIONS_MAX = 1024, KEY_DIGITS = 10 };

struct connection {
  int socket;
  int busy;
  double due;
  size_t length;
  char answer[ANSWER_MAX + 1];
};

static struct sockaddr_in address;
static char request[65536];
static size_t request_length;
static char *key_number; /* in the request; NULL without keys */

static struct connection connections[CONNECTIONS_MAX];
static int connection_count, epoll;

static long wanted, started, finished;
static double rate, began;
static long statuses[600];
static double *latencies;

static void die(const char *what, ...) {
  va_list arguments;
  va_start(arguments, what);
  fputs("load: ", stderr);
  vfprintf(stderr, what, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void open_connection(struct connection *connection) {
  int one = 1;
  connection->socket = socket(AF_INET, SOCK_STREAM, 0);
  if (connect(connection->socket, (struct sockaddr *)&address, sizeof address) < 0) die("connect: %s", strerror(errno));
  setsockopt(connection->socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = connection};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, connection->socket, &event) < 0) die("epoll_ctl: %s", strerror(errno));
}

/* When the next request is due: at once without a rate. */
static double next_due(void) { return rate > 0 ? began + (double)started / rate : now(); }

static void send_request(struct connection *connection, double due) {
  connection->busy = 1;
  connection->due = due;
  connection->length = 0;
  if (key_number) {
    char digits[24];
    snprintf(digits, sizeof digits, "%0*ld", KEY_DIGITS, started);
    memcpy(key_number, digits, KEY_DIGITS);
  }
  started++;
  for (size_t sent = 0; sent < request_length;) {
    ssize_t part = send(connection->socket, request + sent, request_length - sent, MSG_NOSIGNAL);
    if (part < 0) die("send: %s", strerror(errno));
    sent += (size_t)part;
  }
}

/* Gives what is due to connections that are free. */
static void send_due(void) {
  for (int index = 0; index < connection_count && started < wanted; index++) {
    double due = next_due();
    if (due > now()) return;
    if (!connections[index].busy) send_request(&connections[index], due);
  }
}

static const char *header(const char *answer, const char *end, const char *name) {
  size_t length = strlen(name);
  for (const char *line = strstr(answer, "\r\n"); line && line < end; line = strstr(line + 2, "\r\n"))
    if (strncasecmp(line + 2, name, length) == 0 && line[2 + length] == ':') return line + 3 + length;
  return NULL;
}

/* The length of the whole answer, or 0 while its head isn't complete. */
static size_t answer_length(const char *answer) {
  const char *end = strstr(answer, "\r\n\r\n");
  if (!end) return 0;
  const char *length = header(answer, end, "content-length");
  if (!length) die("an answer without Content-Length: %.200s", answer);
  return (size_t)(end + 4 - answer) + strtoul(length, NULL, 10);
}

static void finish(struct connection *connection) {
  int status = atoi(connection->answer + strlen("HTTP/1.1 "));
  if (status < 100 || status > 599) die("not HTTP: %.200s", connection->answer);
  statuses[status]++;
  latencies[finished++] = (now() - connection->due) * 1e3;
  connection->busy = 0;
  const char *close_after = header(connection->answer, strstr(connection->answer, "\r\n\r\n"), "connection");
  if (close_after && strncasecmp(close_after + strspn(close_after, " "), "close", 5) == 0) {
    close(connection->socket);
    open_connection(connection);
  }
}

static void receive(struct connection *connection) {
  ssize_t part =
      recv(connection->socket, connection->answer + connection->length, ANSWER_MAX - connection->length, MSG_DONTWAIT);
  if (part < 0 && errno == EAGAIN) return;
  if (part < 0) die("recv: %s", strerror(errno));
  if (part == 0 && !connection->busy) { /* the server gave up an idle connection */
    close(connection->socket);
    open_connection(connection);
    return;
  }
  if (part == 0) die("the server closed a connection in the middle of a request");
  connection->length += (size_t)part;
  connection->answer[connection->length] = 0;
  size_t whole = answer_length(connection->answer);
  if (whole > ANSWER_MAX) die("an answer of more than %d bytes", ANSWER_MAX);
  if (whole && connection->length >= whole) finish(connection);
}

/* Returns when an answer has come or a request is due; epoll's own time-out counts in
 * milliseconds, which is too coarse. */
static void wait_for_something(void) {
  struct pollfd any = {.fd = epoll, .events = POLLIN};
  int can_send = started < wanted && started - finished < connection_count;
  double wait = can_send ? next_due() - now() : 3600;
  if (wait < 0) wait = 0;
  struct timespec patience = {.tv_sec = (time_t)wait, .tv_nsec = (long)((wait - (double)(time_t)wait) * 1e9)};
  if (ppoll(&any, 1, &patience, NULL) < 0 && errno != EINTR) die("ppoll: %s", strerror(errno));
}

static void run(void) {
  struct epoll_event events[CONNECTIONS_MAX];
  began = now();
  while (finished < wanted) {
    send_due();
    wait_for_something();
    int ready = epoll_wait(epoll, events, connection_count, 0);
    if (ready < 0 && errno != EINTR) die("epoll_wait: %s", strerror(errno));
    for (int index = 0; index < ready; index++) receive(events[index].data.ptr);
  }
}

static int ascending(const void *left, const void *right) {
  double difference = *(const double *)left - *(const double *)right;
  return (difference > 0) - (difference < 0);
}

static double percentile(double share) { return latencies[(long)((double)(finished - 1) * share)]; }

static void report(double seconds) {
  qsort(latencies, (size_t)finished, sizeof *latencies, ascending);
  printf("{\"seconds\": %.6f, \"statuses\": {", seconds);
  const char *separator = "";
  for (int status = 0; status < 600; status++) {
    if (!statuses[status]) continue;
    printf("%s\"%d\": %ld", separator, status, statuses[status]);
    separator = ", ";
  }
  printf("}, \"p50\": %.3f, \"p99\": %.3f, \"max\": %.3f}\n", percentile(0.5), percentile(0.99), percentile(1.0));
}

/* The request, with room for the number of its key. */
static void write_request(const char *host, const char *path, const char *body, const char *keys) {
  char key[256] = "";
  if (keys) snprintf(key, sizeof key, "Idempotency-Key: \"%s-%0*d\"\r\n", keys, KEY_DIGITS, 0);
  request_length = (size_t)snprintf(request, sizeof request,
                                    "POST %s HTTP/1.1\r\nHost: %s\r\n%sContent-Type: application/json\r\n"
                                    "Content-Length: %zu\r\n\r\n%s",
                                    path, host, key, strlen(body), body);
  if (request_length >= sizeof request) die("the body is too large");
  if (keys) key_number = strstr(strstr(request, "Idempotency-Key: "), "\"\r\n") - KEY_DIGITS;
}

int main(int count, char **arguments) {
  if (count != 8 && count != 9) die("usage: load HOST PORT PATH BODY CONNECTIONS REQUESTS RATE [KEYS]");
  address.sin_family = AF_INET;
  address.sin_port = htons((unsigned short)atoi(arguments[2]));
  if (inet_pton(AF_INET, arguments[1], &address.sin_addr) != 1) die("not an IPv4 address: %s", arguments[1]);
  connection_count = atoi(arguments[5]);
  wanted = atol(arguments[6]);
  rate = atof(arguments[7]);
  if (connection_count < 1 || connection_count > CONNECTIONS_MAX) die("1 to %d connections", CONNECTIONS_MAX);
  if (wanted < 1) die("at least one request");
  write_request(arguments[1], arguments[3], arguments[4], count == 9 ? arguments[8] : NULL);
  latencies = malloc((size_t)wanted * sizeof *latencies);
  epoll = epoll_create1(0);
  for (int index = 0; index < connection_count; index++) open_connection(&connections[index]);
  run();
  report(now() - began);
  return 0;
}
