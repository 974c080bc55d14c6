// A device as Microsoft's SDK makes it: sends messages over MQTT and prints, one JSON line each, what
// the hub acknowledged. Environment: AZX_DEVICE (its connection string), AZX_COUNT.
'use strict';

const { Client, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');

// A day ago, on a full second: far enough from now that nobody can mistake the one for the other.
const first = Math.floor(Date.now() / 1000) * 1000 - 24 * 3600 * 1000;

function reading(n) {
  return {
    sequence: n,
    temperature: 20 + n / 8,
    running: n % 2 === 0,
    label: `message ${n}, 20 °C, "quoted"`,
    seen: new Date(first + n).toISOString(),
    place: { latitude: 51.5, longitude: -0.125, elevation: 11 },
    detail: { nested: [n, n + 1] },
  };
}

async function main() {
  const client = Client.fromConnectionString(process.env.AZX_DEVICE, Mqtt);
  await client.open();
  for (let n = 0; n < Number(process.env.AZX_COUNT); n++) {
    const body = reading(n);
    const time = new Date(first + n * 1000).toISOString();
    const message = new Message(JSON.stringify(body));
    message.contentType = 'application/json';
    message.contentEncoding = 'utf-8';
    message.messageId = `m-${n}`;
    message.properties.add('iothub-creation-time-utc', time);
    message.properties.add('line', 'a/b & c=d');
    await client.sendEvent(message);
    console.log(JSON.stringify({ body, time }));
  }
  await client.close();
}

main().then(() => process.exit(0), (err) => {
  console.error(err);
  process.exit(1);
});
