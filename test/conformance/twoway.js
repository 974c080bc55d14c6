// A device or module as Microsoft's SDK makes it, which the test steers through direct methods. It prints one JSON line
// for everything that reaches it. Environment: AZX_CONNECTION (a connection string), AZX_TRANSPORT (mqtt or amqp).
//
//   message from the cloud  {"c2d": body, "id", "properties"}; completed
//   desired properties      {"desired": patch}
//   method reboot           answers {"delay": its payload's delay, "was": "running"}
//   method readings         answers rows for an INFOTABLE
//   method fail             answers status 500 with {"why": "no oil"}
//   method slow             answers after its payload's seconds
//   method send             sends its payload as telemetry, then answers
//   method report           reports its payload to the twin, then answers
//   any other method        answers 200 with its payload
'use strict';

const { Client, Message, ModuleClient } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');
const { Amqp } = require('azure-iot-device-amqp');

const print = (line) => console.log(JSON.stringify(line));

function jsonMessage(body) {
  const m = new Message(JSON.stringify(body));
  m.contentType = 'application/json';
  m.contentEncoding = 'utf-8';
  return m;
}

async function main() {
  const connection = process.env.AZX_CONNECTION;
  const isModule = connection.includes('ModuleId=');
  const transport = { mqtt: Mqtt, amqp: Amqp }[process.env.AZX_TRANSPORT];
  const client = (isModule ? ModuleClient : Client).fromConnectionString(connection, transport);
  await client.open();
  const twin = await client.getTwin();

  const answers = {
    reboot: async (payload) => ({ delay: payload.delay, was: 'running' }),
    readings: async () => [{ at: '2026-01-02T03:04:05.678Z', level: 1.5, ok: true }, { at: 1767323045678, level: 2, ok: false }],
    fail: async () => { throw Object.assign(new Error(), { status: 500, payload: { why: 'no oil' } }); },
    slow: (payload) => new Promise((done) => { setTimeout(done, payload.seconds * 1000, { late: true }); }),
    send: async (payload) => { await client.sendEvent(jsonMessage(payload)); return {}; },
    report: (payload) => new Promise((done, failed) => {
      twin.properties.reported.update(payload, (err) => (err ? failed(err) : done({})));
    }),
  };
  const serve = (name, answer) => client[isModule ? 'onMethod' : 'onDeviceMethod'](name, (request, response) => {
    print({ method: name, payload: request.payload });
    answer(request.payload || {}).then((payload) => [200, payload], (err) => [err.status || 500, err.payload || { why: String(err) }])
      .then(([status, payload]) => response.send(status, payload, (err) => {
        if (err) print({ answerFailed: String(err) });
      }));
  });
  for (const [name, answer] of Object.entries(answers)) serve(name, answer);
  for (const name of (process.env.AZX_ECHO || '').split(',').filter(Boolean)) serve(name, async (payload) => payload);

  twin.on('properties.desired', (patch) => print({ desired: patch }));
  if (!isModule) {
    client.on('message', (m) => {
      client.complete(m, (err) => {
        if (err) print({ completeFailed: String(err) });
        else print({ c2d: JSON.parse(m.getData().toString()), id: m.messageId });
      });
    });
  }
  // A method is listened for once the hub has confirmed it; the SDK tells nobody. The one that comes last tells us.
  await client.sendEvent(jsonMessage({ hello: true }));
  print({ ready: true });
}

main().catch((err) => {
  console.error(err);
  process.exit(1);
});
