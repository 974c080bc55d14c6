// A device or module as Microsoft's SDK makes it, over WebSocket. It prints one JSON line for everything that happens and
// ends when the property "bye" is desired. Environment: AZX_CONNECTION (a connection string), AZX_TRANSPORT (MqttWs or
// AmqpWs), AZX_COUNT (messages to send), AZX_RUN (their property "run").
//
//   {"acknowledged": n}    the hub has taken message n
//   {"reported": version}  the hub has taken the reported property "over"
//   {"ready": true}        methods and messages are listened for
//   {"desired", "version"} desired properties, those at the start too
//   {"method", "payload"}  method echo, answered 201 with its payload
//   {"c2d", "id"}          a message from the cloud, completed
'use strict';

const { Client, Message, ModuleClient } = require('azure-iot-device');
const { MqttWs } = require('azure-iot-device-mqtt');
const { AmqpWs } = require('azure-iot-device-amqp');

const print = (line) => console.log(JSON.stringify(line));
const done = (resolve, reject) => (err, result) => (err ? reject(err) : resolve(result));

async function main(env) {
  const isModule = env.AZX_CONNECTION.includes('ModuleId=');
  const client = (isModule ? ModuleClient : Client).fromConnectionString(env.AZX_CONNECTION, { MqttWs, AmqpWs }[env.AZX_TRANSPORT]);
  await client.open();

  for (let n = 0; n < Number(env.AZX_COUNT); n++) {
    // Large ones too: they take more than one read of the connection, and over AMQP more than one frame.
    const message = new Message(JSON.stringify({ n, fill: 'x'.repeat(n % 5 === 4 ? 100_000 : n) }));
    message.contentType = 'application/json';
    message.contentEncoding = 'utf-8';
    message.messageId = `m-${n}`;
    message.properties.add('run', env.AZX_RUN);
    await (isModule ? client.sendOutputEvent('out1', message) : client.sendEvent(message));
    print({ acknowledged: n });
  }

  const twin = await client.getTwin();
  twin.on('properties.desired', (patch) => {
    const { $version, ...values } = patch;
    print({ desired: values, version: $version });
    if (patch.bye) client.close().then(() => process.exit(0), fail);
  });
  await new Promise((resolve, reject) => { twin.properties.reported.update({ over: env.AZX_TRANSPORT }, done(resolve, reject)); });
  print({ reported: true });

  const onMethod = (isModule ? client.onMethod : client.onDeviceMethod).bind(client);
  onMethod('echo', (request, response) => {
    print({ method: 'echo', payload: request.payload });
    response.send(201, request.payload, (err) => { if (err) fail(err); });
  });
  if (!isModule) {
    client.on('message', (m) => client.complete(m, (err) => {
      if (err) fail(err);
      else print({ c2d: m.getData().toString(), id: m.messageId });
    }));
  }
  print({ ready: true });
}

function fail(err) {
  console.error(err);
  process.exit(1);
}

main(process.env).catch(fail);
