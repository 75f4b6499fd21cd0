/*
 * An SMTP server that takes every mail and keeps none: what mail benchmarks send to.
 *
 *     sink PORT MILLISECONDS
 *
 * It listens on 127.0.0.1 and runs until it is killed. A mail that has come whole is taken
 * MILLISECONDS later, as by a server that first puts it on a disk. For every mail that it
 * has taken it prints when (seconds, CLOCK_MONOTONIC) and the mail's Message-ID. Left out:
 * TLS, AUTH, and any doubt about what clients say.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BUFFER = 1 << 17, EVENTS = 64 };

struct client {
  int socket;
  int in_data, waiting, gone;
  double due;
  struct client *next;
  size_t length;
  char id[256];
  char buffer[BUFFER];
};

static double delay;
static struct client *first_waiting, *last_waiting; /* in the order in which they are due */

static void die(const char *what, ...) {
  va_list arguments;
  va_start(arguments, what);
  fputs("sink: ", stderr);
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

static int is(const char *line, const char *verb) { return strncasecmp(line, verb, strlen(verb)) == 0; }

static void say(struct client *client, const char *text) {
  if (send(client->socket, text, strlen(text), MSG_NOSIGNAL) < 0) return; /* its end shows when it is read from */
}

static void take_mail(struct client *client) {
  printf("%.6f %s\n", now(), client->id);
  say(client, "250 2.0.0 taken\r\n");
}

static void let_wait(struct client *client) {
  client->waiting = 1;
  client->due = now() + delay;
  client->next = NULL;
  if (last_waiting) last_waiting->next = client;
  else first_waiting = client;
  last_waiting = client;
}

static void take_due(void) {
  while (first_waiting && first_waiting->due <= now()) {
    struct client *client = first_waiting;
    first_waiting = client->next;
    if (!first_waiting) last_waiting = NULL;
    client->waiting = 0;
    if (client->gone) free(client);
    else take_mail(client);
  }
}

static void hang_up(struct client *client) {
  close(client->socket);
  client->gone = 1;
  if (!client->waiting) free(client);
}

static int milliseconds_until_due(void) {
  if (!first_waiting) return -1;
  double wait = first_waiting->due - now();
  return wait > 0 ? (int)(wait * 1e3) + 1 : 0;
}

/* One line of a mail, without its line end. */
static void take_text(struct client *client, const char *line) {
  if (strcmp(line, ".") == 0) {
    client->in_data = 0;
    if (delay > 0) let_wait(client);
    else take_mail(client);
  } else if (!client->id[0] && is(line, "Message-ID:")) {
    snprintf(client->id, sizeof client->id, "%s", line + strlen("Message-ID:") + strspn(line + 11, " "));
  }
}

/* One command; 0 at the end of the conversation. */
static int take_command(struct client *client, const char *line) {
  if (is(line, "QUIT")) {
    say(client, "221 2.0.0 bye\r\n");
    return 0;
  }
  if (is(line, "DATA")) {
    client->in_data = 1;
    client->id[0] = 0;
    say(client, "354 go ahead\r\n");
  } else if (is(line, "EHLO")) {
    say(client, "250-sink\r\n250 8BITMIME\r\n");
  } else {
    say(client, "250 2.0.0 ok\r\n");
  }
  return 1;
}

/* All whole lines that have come; 0 at the end of the conversation. */
static int take_lines(struct client *client) {
  char *line = client->buffer;
  client->buffer[client->length] = 0;
  for (char *end; (end = strstr(line, "\r\n")); line = end + 2) {
    *end = 0;
    if (client->in_data) take_text(client, line);
    else if (!take_command(client, line)) return 0;
  }
  client->length -= (size_t)(line - client->buffer);
  memmove(client->buffer, line, client->length);
  return client->length < BUFFER - 1;
}

static int receive(struct client *client) {
  ssize_t part = recv(client->socket, client->buffer + client->length, BUFFER - 1 - client->length, 0);
  if (part <= 0) return 0;
  client->length += (size_t)part;
  return take_lines(client);
}

static void accept_client(int listener, int epoll) {
  struct client *client = calloc(1, sizeof *client);
  if (!client) die("out of memory");
  client->socket = accept(listener, NULL, NULL);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
  if (client->socket < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, client->socket, &event) < 0)
    die("accept: %s", strerror(errno));
  say(client, "220 sink ESMTP\r\n");
}

static int listen_on(unsigned short port) {
  int one = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 128) < 0)
    die("port %d: %s", port, strerror(errno));
  return listener;
}

int main(int count, char **arguments) {
  if (count != 3) die("usage: sink PORT MILLISECONDS");
  delay = atof(arguments[2]) / 1e3;
  int listener = listen_on((unsigned short)atoi(arguments[1])), epoll = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[EVENTS];
  epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event);
  for (;;) {
    take_due();
    fflush(stdout);
    int ready = epoll_wait(epoll, events, EVENTS, milliseconds_until_due());
    if (ready < 0 && errno != EINTR) die("epoll_wait: %s", strerror(errno));
    for (int index = 0; index < ready; index++) {
      struct client *client = events[index].data.ptr;
      if (!client) {
        accept_client(listener, epoll);
      } else if (!receive(client)) {
        hang_up(client);
      }
    }
  }
}
