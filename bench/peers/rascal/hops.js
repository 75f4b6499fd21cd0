// Both hops with rascal (Node): confirm channels from a pool, a delivery is acked in the
// publication's `success`. Prefetch and pool are larger than rascal's defaults of 10 and 5,
// which its README says to raise for throughput. Schemas are compiled by ajv.
'use strict';

const fs = require('fs');
const path = require('path');
const Ajv = require('ajv/dist/2020').default;
const addFormats = require('ajv-formats').default;
const { createBroker, withDefaultConfig } = require('rascal');

const ROOT = path.join(__dirname, '..', '..', '..');
const PREFETCH = 200;
const CHANNELS = Number(process.env.CHANNELS || 50);

function validator(file) {
  const ajv = addFormats(new Ajv({ strict: false }));
  return ajv.compile(JSON.parse(fs.readFileSync(path.join(ROOT, file), 'utf8')));
}

const isPayment = validator('schemas/payment.json');
const isNotification = validator('bench/schemas/notification.json');

function fail(error) {
  console.error(error);
  process.exit(1);
}

function checked(valid, body) {
  if (!valid(body)) fail(new Error('a body breaks its schema'));
  return body;
}

const queue = { assert: false, check: true };
const pool = { max: CHANNELS, min: CHANNELS, autostart: true };

const config = withDefaultConfig({
  vhosts: {
    bench: {
      connection: process.env.AMQP_URL,
      queues: { payment_queue: queue, notification_queue: queue },
      publicationChannelPools: { confirmPool: pool },
      publications: {
        notification: {
          vhost: 'bench',
          queue: 'notification_queue',
          confirm: true,
          options: { persistent: true, mandatory: true },
        },
      },
      subscriptions: {
        payment: { vhost: 'bench', queue: 'payment_queue', prefetch: PREFETCH },
        notification: { vhost: 'bench', queue: 'notification_queue', prefetch: PREFETCH },
      },
    },
  },
});

createBroker(config, (error, broker) => {
  if (error) fail(error);
  broker.on('error', fail);

  broker.subscribe('payment', (error, subscription) => {
    if (error) fail(error);
    subscription.on('error', fail).on('message', (message, payment, ackOrNack) => {
      checked(isPayment, payment);
      const id = message.properties.messageId;
      const notification = checked(isNotification, { payment: id, user: payment.user, card: payment.cardNo.slice(-4) });
      broker.publish('notification', notification, { options: { messageId: id } }, (error, publication) => {
        if (error) fail(error);
        publication.on('success', () => ackOrNack()).on('error', fail).on('return', fail);
      });
    });
  });

  broker.subscribe('notification', (error, subscription) => {
    if (error) fail(error);
    subscription.on('error', fail).on('message', (message, notification, ackOrNack) => {
      checked(isNotification, notification);
      ackOrNack();
    });
  });
});
