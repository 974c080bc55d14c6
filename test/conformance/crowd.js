// Devices as Microsoft's SDK makes them, many in one process. Each answers the method reboot with {"was": "running"} after its
// payload's seconds. It prints {"ready": N} once all N listen. Environment: AZX_CONNECTIONS (connection strings, one a line).
'use strict';

const { Client, Message } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');

const report = (err) => { if (err) console.error(String(err)); };

async function join(connection) {
  const client = Client.fromConnectionString(connection, Mqtt);
  await client.open();
  client.onDeviceMethod('reboot', (request, response) => {
    setTimeout(() => response.send(200, { was: 'running' }, report), ((request.payload || {}).seconds || 0) * 1000);
  });
  await client.sendEvent(new Message('{}')); // behind the subscription, which the SDK tells nobody of
}

async function main() {
  const connections = process.env.AZX_CONNECTIONS.split('\n');
  for (const connection of connections) await join(connection);
  console.log(JSON.stringify({ ready: connections.length }));
}

main().catch((err) => {
  console.error(err);
  process.exit(1);
});
