// A device or module as Microsoft's SDK makes it, over AMQP or MQTT. It prints one JSON line for everything that happens.
// Environment: AZX_CONNECTION (a connection string), AZX_TRANSPORT (amqp or mqtt).
//
//   at the start            {"twin": desired and reported}, then reports {"firmware": "1.0", "old": null}: {"reported": true};
//                           reports what the hub refuses: {"refused": name of the error}; sends telemetry: {"sent": true}
//   desired properties      {"desired": patch}
//   message from the cloud  {"c2d": text, "id", "ack", "properties"}; settled by its property settle: complete (default),
//                           reject, or abandon, which is completed when it comes again
//                           (MQTT can only complete)
//   method echo             answers status 207 and {"echo": payload}; {"method": request id}
//   message to an input     {"input": true}; the hub itself sends none
//   lost connection         {"lost": name of the error}; a link that fails: {"error": name of the error}
'use strict';

const { Client, Message, ModuleClient } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { Amqp } = require('azure-iot-device-amqp');
const { NoRetry } = require('azure-iot-common');

const print = (line) => console.log(JSON.stringify(line));

function message(text) {
  const m = new Message(text);
  m.messageId = '0b8d3a52-3f47-4a27-9a3c-0a1b2c3d4e5f';
  m.correlationId = 'about-7';
  m.contentType = 'application/json';
  m.contentEncoding = 'utf-8';
  m.properties.add('line', 'a/b & c=d');
  return m;
}

const properties = (list) => Object.fromEntries(list.propertyList.map(({ key, value }) => [key, value]));

async function main() {
  const connection = process.env.AZX_CONNECTION;
  const isModule = connection.includes('ModuleId=');
  const transport = { mqtt: Mqtt, amqp: Amqp }[process.env.AZX_TRANSPORT];
  const client = (isModule ? ModuleClient : Client).fromConnectionString(connection, transport);
  client.setRetryPolicy(new NoRetry());
  client.on('error', (err) => print({ error: err.constructor.name }));
  client.on('disconnect', (result) => print({ lost: (result.transportObj || result).constructor.name }));
  await client.open();

  const twin = await client.getTwin();
  print({ twin: { desired: twin.properties.desired, reported: JSON.parse(JSON.stringify(twin.properties.reported)) } });
  const report = (patch) => new Promise((done, failed) => {
    twin.properties.reported.update(patch, (err) => (err ? failed(err) : done()));
  });
  await report({ firmware: '1.0', old: null });
  print({ reported: true });
  await report({ 'a.b': 1 }).catch((err) => print({ refused: (err.amqpError || err).constructor.name }));

  twin.on('properties.desired', (patch) => print({ desired: patch }));
  client[isModule ? 'onMethod' : 'onDeviceMethod']('echo', (request, response) => {
    print({ method: request.requestId });
    response.send(207, { echo: request.payload }, (err) => err && print({ answerFailed: String(err) }));
  });
  if (isModule) {
    client.on('inputMessage', () => print({ input: true }));
  } else {
    let abandoned = false;
    client.on('message', (m) => {
      const its = properties(m.properties);
      let verdict = its.settle || 'complete';
      if (verdict === 'abandon' && abandoned) verdict = 'complete';
      abandoned = abandoned || verdict === 'abandon';
      client[verdict](m, (err) => (err ? print({ settleFailed: String(err) })
        : print({ c2d: m.getData().toString(), id: m.messageId, ack: m.ack, properties: its })));
    });
  }
  if (isModule) await client.sendOutputEvent('out1', message('{"n":1}'));
  else await client.sendEvent(message('{"n":1}'));
  print({ sent: true });
}

main().catch((err) => {
  console.error(err);
  process.exit(1);
});
