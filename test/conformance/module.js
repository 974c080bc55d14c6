// An edge module as Microsoft's SDK makes it: sends on an output and directly, over MQTT, and prints,
// one JSON line each, what the hub acknowledged. Environment: AZX_MODULE (its connection string).
'use strict';

const { Message, ModuleClient } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');

const first = Math.floor(Date.now() / 1000) * 1000 - 3600 * 1000;

function message(body, time) {
  const m = new Message(JSON.stringify(body));
  m.contentType = 'application/json';
  m.contentEncoding = 'utf-8';
  m.properties.add('iothub-creation-time-utc', time);
  return m;
}

async function main() {
  const client = ModuleClient.fromConnectionString(process.env.AZX_MODULE, Mqtt);
  await client.open();
  const sends = [
    (m) => client.sendOutputEvent('out1', m),
    (m) => client.sendEvent(m),
  ];
  for (const [n, send] of sends.entries()) {
    const body = { temperature: 55.5 + n };
    const time = new Date(first + n * 1000).toISOString();
    await send(message(body, time));
    console.log(JSON.stringify({ body, time }));
  }
  await client.close();
}

main().then(() => process.exit(0), (err) => {
  console.error(err);
  process.exit(1);
});
