// A device or module as Microsoft's SDK makes it: connects over MQTT, sends one message, prints "sent" once the hub has
// acknowledged it, and stays connected until it is killed. Environment: AZX_DEVICE or AZX_MODULE (a connection string).
'use strict';

const { Client, Message, ModuleClient } = require('azure-iot-device');
const { Mqtt } = require('azure-iot-device-mqtt');

async function main() {
  const client = process.env.AZX_MODULE
    ? ModuleClient.fromConnectionString(process.env.AZX_MODULE, Mqtt)
    : Client.fromConnectionString(process.env.AZX_DEVICE, Mqtt);
  await client.open();
  const message = new Message('{"n":1}');
  message.contentType = 'application/json';
  message.contentEncoding = 'utf-8';
  await client.sendEvent(message);
  console.log('sent');
}

main().catch((err) => {
  console.error(err);
  process.exit(1);
});
