// A device as Microsoft's SDK makes it, over HTTPS. It sends an event and a batch, then gets three messages from a back end
// of the service SDK: one is completed, one rejected, one abandoned once and then completed. It prints the feedback of
// the hub, sorted, as its last line. Environment: AZX_CONNECTION (the device's), AZX_SERVICE, AZX_DEVICE (its id), AZX_RUN
// (goes into the property run).
'use strict';

const assert = require('assert');
const { Client, Message } = require('azure-iot-device');
const { Http } = require('azure-iot-device-http');
const { AmqpWs, Client: Service } = require('azure-iothub');

const { AZX_CONNECTION, AZX_SERVICE, AZX_DEVICE, AZX_RUN } = process.env;

function event(body, ...properties) {
  const m = new Message(body);
  for (const [name, value] of [['run', AZX_RUN], ...properties]) m.properties.add(name, value);
  return m;
}

// settled answers the messages as they are told by their bodies, until all are.
function settled(client, expected) {
  return new Promise((done, failed) => {
    const abandoned = new Set();
    let left = expected;
    client.on('error', failed);
    client.on('message', (m) => {
      const [what, id] = m.getData().toString().split(' ');
      assert.strictEqual(m.messageId, id);
      assert.strictEqual(m.correlationId, 'c-1');
      assert.strictEqual(m.properties.propertyList.find((p) => p.key === 'iothub-app-level').value, 'high');
      const again = what === 'abandon' && !abandoned.has(id);
      if (again) abandoned.add(id);
      const settle = what === 'reject' ? client.reject : again ? client.abandon : client.complete;
      settle.call(client, m, (err) => {
        if (err) failed(err);
        else if (!again && --left === 0) done();
      });
    });
  });
}

async function main() {
  const client = Client.fromConnectionString(AZX_CONNECTION, Http);
  await client.open();
  const one = event('{"sequence":0}', ['line', 'a/b'], ['iothub-creation-time-utc', '2026-01-02T03:04:05.678Z']);
  one.messageId = 'm-0';
  one.correlationId = 'c-0';
  one.contentType = 'application/json';
  one.contentEncoding = 'utf-8';
  await client.sendEvent(one);
  await client.sendEventBatch([1, 2, 3].map((n) => event(`{"sequence":${n}}`, ['Line', `b ${n}`])));
  await assert.rejects(client.sendEvent(new Message(Buffer.alloc(256 * 1024 + 1))), (err) => err.name === 'MessageTooLargeError');

  const service = Service.fromConnectionString(AZX_SERVICE, AmqpWs);
  await service.open();
  const feedback = await new Promise((done, failed) => {
    service.getFeedbackReceiver((err, receiver) => (err ? failed(err) : done(receiver)));
  });
  const told = new Promise((done, failed) => {
    const records = [];
    feedback.on('errorReceived', failed);
    feedback.on('message', (m) => feedback.complete(m, (err) => {
      if (err) failed(err);
      records.push(...JSON.parse(m.getData().toString()));
      if (records.length === 3) done(records);
    }));
  });
  for (const what of ['complete', 'reject', 'abandon']) {
    const m = new Message(`${what} ${what}-1`);
    m.messageId = `${what}-1`;
    m.correlationId = 'c-1';
    m.ack = 'full';
    m.properties.add('level', 'high');
    await service.send(AZX_DEVICE, m);
  }
  await settled(client, 3);
  const records = (await told).map((r) => `${r.originalMessageId} ${r.statusCode}`).sort();
  await service.close();
  await client.close();
  console.log(JSON.stringify(records));
}

main().then(() => process.exit(0), (err) => {
  console.error(err);
  process.exit(1);
});
