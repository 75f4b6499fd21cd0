/*
 * Both hops with librabbitmq, as fast as one thread can: what a runner in any language
 * is measured against. Every message is published persistent, mandatory and with
 * publisher confirms, and acked only after its confirm. Left out: JSON, schemas,
 * handlers, retries and reconnects; whatever is unexpected ends the program.
 *
 *     limit HOST PORT VHOST USER PASSWORD PREFETCH
 *
 * It runs until it is killed.
 */
#include <amqp.h>
#include <amqp_tcp_socket.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PUBLISH = 1, PAYMENTS = 2, NOTIFICATIONS = 3 };

enum { WINDOW = 1 << 16, ACK_EVERY = 64 };

static amqp_connection_state_t connection;

/* A delivery of the payments' channel and the publish that it leads to have the same
 * number: both count from 1, and each of the one is followed by one of the other. */
static unsigned char confirmed[WINDOW];
static uint64_t acked_payments, ready_payments;
static uint64_t acked_notifications, ready_notifications;

static void die(const char *what, ...) {
  va_list arguments;
  va_start(arguments, what);
  fputs("limit: ", stderr);
  vfprintf(stderr, what, arguments);
  fputc('\n', stderr);
  va_end(arguments);
  exit(1);
}

static void check(int status, const char *what) {
  if (status != AMQP_STATUS_OK) die("%s: %s", what, amqp_error_string2(status));
}

static void check_reply(const char *what) {
  amqp_rpc_reply_t reply = amqp_get_rpc_reply(connection);
  if (reply.reply_type == AMQP_RESPONSE_NORMAL) return;
  if (reply.reply_type == AMQP_RESPONSE_SERVER_EXCEPTION)
    die("%s: refused by the broker (method %#x)", what, reply.reply.id);
  die("%s: %s", what, amqp_error_string2(reply.library_error));
}

static void log_in(char **arguments) {
  connection = amqp_new_connection();
  amqp_socket_t *socket = amqp_tcp_socket_new(connection);
  check(amqp_socket_open(socket, arguments[1], atoi(arguments[2])), "connect");
  amqp_rpc_reply_t reply = amqp_login(connection, arguments[3], 0, 131072, 0, AMQP_SASL_METHOD_PLAIN, arguments[4],
                                      arguments[5]);
  if (reply.reply_type != AMQP_RESPONSE_NORMAL) die("log-in failed");
}

static void open_channel(amqp_channel_t channel) {
  amqp_channel_open(connection, channel);
  check_reply("open a channel");
}

static void consume(amqp_channel_t channel, const char *queue, uint16_t prefetch) {
  open_channel(channel);
  amqp_basic_qos(connection, channel, 0, prefetch, 0);
  check_reply("basic.qos");
  amqp_basic_consume(connection, channel, amqp_cstring_bytes(queue), amqp_empty_bytes, 0, 0, 0, amqp_empty_table);
  check_reply("basic.consume");
}

static void ack(amqp_channel_t channel, uint64_t *acked, uint64_t ready) {
  if (*acked == ready) return;
  check(amqp_basic_ack(connection, channel, ready, 1), "basic.ack");
  *acked = ready;
}

static void ack_all(void) {
  ack(PAYMENTS, &acked_payments, ready_payments);
  ack(NOTIFICATIONS, &acked_notifications, ready_notifications);
}

static void publish(const amqp_message_t *payment) {
  amqp_basic_properties_t properties = payment->properties;
  properties._flags |= AMQP_BASIC_DELIVERY_MODE_FLAG;
  properties.delivery_mode = AMQP_DELIVERY_PERSISTENT;
  check(amqp_basic_publish(connection, PUBLISH, amqp_empty_bytes, amqp_cstring_bytes("notification_queue"), 1, 0,
                           &properties, payment->body),
        "basic.publish");
}

static void note_confirm(const amqp_basic_ack_t *confirm) {
  uint64_t first = confirm->multiple ? ready_payments + 1 : confirm->delivery_tag;
  for (uint64_t number = first; number <= confirm->delivery_tag; number++) confirmed[number % WINDOW] = 1;
  while (confirmed[(ready_payments + 1) % WINDOW]) confirmed[++ready_payments % WINDOW] = 0;
  if (ready_payments - acked_payments >= ACK_EVERY) ack(PAYMENTS, &acked_payments, ready_payments);
}

static void take_delivery(amqp_channel_t channel, uint64_t tag) {
  amqp_message_t message;
  amqp_rpc_reply_t reply = amqp_read_message(connection, channel, &message, 0);
  if (reply.reply_type != AMQP_RESPONSE_NORMAL) die("read a message: %s", amqp_error_string2(reply.library_error));
  if (channel == PAYMENTS) publish(&message);
  else ready_notifications = tag;
  if (ready_notifications - acked_notifications >= ACK_EVERY)
    ack(NOTIFICATIONS, &acked_notifications, ready_notifications);
  amqp_destroy_message(&message);
}

static void take_frame(void) {
  amqp_frame_t frame;
  check(amqp_simple_wait_frame(connection, &frame), "read");
  if (frame.frame_type == AMQP_FRAME_HEARTBEAT) return;
  if (frame.frame_type != AMQP_FRAME_METHOD) die("an unexpected frame of type %d", frame.frame_type);
  switch (frame.payload.method.id) {
    case AMQP_BASIC_DELIVER_METHOD:
      take_delivery(frame.channel, ((amqp_basic_deliver_t *)frame.payload.method.decoded)->delivery_tag);
      return;
    case AMQP_BASIC_ACK_METHOD:
      note_confirm(frame.payload.method.decoded);
      return;
    default:
      die("an unexpected method: %#x", frame.payload.method.id);
  }
}

int main(int count, char **arguments) {
  if (count != 7) die("usage: limit HOST PORT VHOST USER PASSWORD PREFETCH");
  uint16_t prefetch = (uint16_t)atoi(arguments[6]);
  log_in(arguments);
  open_channel(PUBLISH);
  amqp_confirm_select(connection, PUBLISH);
  check_reply("confirm.select");
  consume(NOTIFICATIONS, "notification_queue", prefetch);
  consume(PAYMENTS, "payment_queue", prefetch);
  for (;;) {
    amqp_maybe_release_buffers(connection);
    if (!amqp_frames_enqueued(connection) && !amqp_data_in_buffer(connection)) ack_all(); /* the next read may block */
    take_frame();
  }
}
