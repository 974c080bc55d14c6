// Microsoft's registry client makes or deletes a device. Of one that it has made it prints "key" and the device's key.
// Environment: AZX_OWNER (connection string of a policy), AZX_MAKE or AZX_DELETE (the id).
'use strict';

const { Registry } = require('azure-iothub');

const { AZX_OWNER, AZX_MAKE, AZX_DELETE } = process.env;

async function main() {
  const registry = Registry.fromConnectionString(AZX_OWNER);
  if (AZX_DELETE) {
    await registry.delete(AZX_DELETE);
    return;
  }
  const device = (await registry.create({ deviceId: AZX_MAKE })).responseBody;
  console.log(`key ${device.authentication.symmetricKey.primaryKey}`);
}

main().then(() => process.exit(0), (err) => {
  console.error(err);
  process.exit(1);
});
