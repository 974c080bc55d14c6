// A back end as Microsoft's service SDK makes it, over AMQP. It prints one JSON line for everything that happens.
// Environment: AZX_SERVICE (a connection string), AZX_MESSAGES (JSON: list of {device, id, ack, body, properties, lives},
// lives in seconds).
//
//   at the start   {"ready": true}, with receivers of feedback and of file notifications
//   each message   {"sent": id}, or {"refused": id, "error", "why"}
//   feedback       {"feedback": records, "type"}; the first batch is abandoned and comes again, all others are completed
'use strict';

const { Client } = require('azure-iothub');
const { Message, NoRetry } = require('azure-iot-common');

const print = (line) => console.log(JSON.stringify(line));

function message({ id, ack, body, properties, lives }) {
  const m = new Message(body);
  m.messageId = id;
  m.ack = ack;
  m.contentType = 'text/plain';
  m.contentEncoding = 'utf-8';
  for (const [key, value] of Object.entries(properties || {})) m.properties.add(key, value);
  if (lives) m.expiryTimeUtc = Date.now() + lives * 1000;
  return m;
}

async function main() {
  const client = Client.fromConnectionString(process.env.AZX_SERVICE);
  client.setRetryPolicy(new NoRetry());
  await client.open();
  const feedback = await new Promise((done, failed) => { client.getFeedbackReceiver((err, r) => (err ? failed(err) : done(r))); });
  let abandoned = false;
  feedback.on('message', (m) => {
    const verdict = abandoned ? 'complete' : 'abandon';
    abandoned = true;
    feedback[verdict](m, (err) => print(err ? { settleFailed: String(err) }
      : { feedback: JSON.parse(m.getData().toString()), type: m.contentType, verdict }));
  });
  const files = await new Promise((done, failed) => { client.getFileNotificationReceiver((err, r) => (err ? failed(err) : done(r))); });
  files.on('message', () => print({ file: true }));
  print({ ready: true });
  for (const one of JSON.parse(process.env.AZX_MESSAGES)) {
    await client.send(one.device, message(one)).then(() => print({ sent: one.id }),
      (err) => print({ refused: one.id, error: err.constructor.name, why: err.amqpError && err.amqpError.description }));
  }
  print({ done: true });
}

main().catch((err) => {
  console.error(err);
  process.exit(1);
});
