// A back end as Microsoft's service SDK makes it, over WebSocket: sends a message to a device and waits for its feedback.
// It prints the feedback as one JSON line. Environment: AZX_SERVICE (connection string), AZX_TO (device id), AZX_BODY,
// AZX_ID (message id).
'use strict';

const { AmqpWs, Client } = require('azure-iothub');
const { Message } = require('azure-iot-common');

async function main(env) {
  const client = Client.fromConnectionString(env.AZX_SERVICE, AmqpWs);
  await client.open();
  const receiver = await new Promise((resolve, reject) => {
    client.getFeedbackReceiver((err, feedback) => (err ? reject(err) : resolve(feedback)));
  });
  const told = new Promise((resolve, reject) => {
    receiver.on('errorReceived', reject);
    receiver.on('message', (m) => {
      receiver.complete(m, (err) => (err ? reject(err) : resolve(JSON.parse(m.getData().toString()))));
    });
  });
  const message = new Message(env.AZX_BODY);
  message.messageId = env.AZX_ID;
  message.ack = 'full';
  await client.send(env.AZX_TO, message);
  console.log(JSON.stringify(await told));
  await client.close();
}

main(process.env).then(() => process.exit(0), (err) => {
  console.error(err);
  process.exit(1);
});
