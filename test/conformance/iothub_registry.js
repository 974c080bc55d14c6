// Microsoft's service client over HTTPS: registry, modules, bulk, twins, queries and methods. Each step checks what the hub
// gives and prints its name. Environment: AZX_OWNER and AZX_SERVICE (connection strings of policies), AZX_METHOD_DEVICE
// (a device of twoway.js that is connected).
'use strict';

const assert = require('assert');
const { Client, Registry } = require('azure-iothub');

const { AZX_OWNER, AZX_SERVICE, AZX_METHOD_DEVICE } = process.env;
const registry = Registry.fromConnectionString(AZX_OWNER);
const body = (r) => r.responseBody;
const refused = (promise, type, status) => assert.rejects(promise, (err) => {
  assert(!type || err.name === type, `${err.name}: ${err.message}`);
  assert.strictEqual(err.response.statusCode, status, err.message);
  assert(err.response.headers['iothub-errorcode'], 'no iothub-errorcode');
  assert(err.message && !err.message.startsWith('Error:'), `the SDK could not read the error: ${err.message}`);
  return true;
});

const steps = {
  'a device is created, with keys': async () => {
    const device = body(await registry.create({ deviceId: 'd-1' }));
    assert.strictEqual(device.deviceId, 'd-1');
    assert.strictEqual(device.status, 'enabled');
    assert.strictEqual(device.connectionState, 'Disconnected');
    assert.strictEqual(Buffer.from(device.authentication.symmetricKey.primaryKey, 'base64').length, 32);
    assert(device.etag && device.generationId);
  },
  'a device is not created twice': () => refused(registry.create({ deviceId: 'd-1' }), 'DeviceAlreadyExistsError', 409),
  'a bad id is refused': () => refused(registry.create({ deviceId: 'd 1' }), 'ArgumentError', 400),
  'strange but good ids are escaped': async () => {
    const id = "a-:.+%_#*?!(),=@;$'z";
    await registry.create({ deviceId: id });
    assert.strictEqual(body(await registry.get(id)).deviceId, id);
    assert.strictEqual((await registry.getTwin(id)).responseBody.deviceId, id);
    await registry.delete(id);
  },
  'an unknown device is not found': () => refused(registry.get('nobody'), 'DeviceNotFoundError', 404),
  'keys of one’s own are kept': async () => {
    const key = Buffer.alloc(32, 7).toString('base64');
    const made = body(await registry.create({ deviceId: 'd-keys', authentication: { symmetricKey: { primaryKey: key, secondaryKey: key } } }));
    assert.strictEqual(made.authentication.symmetricKey.primaryKey, key);
  },
  'a device is disabled, and keeps its keys': async () => {
    const before = body(await registry.get('d-1'));
    const after = body(await registry.update({ deviceId: 'd-1', status: 'disabled', statusReason: 'repair' }));
    assert.deepStrictEqual([after.status, after.statusReason], ['disabled', 'repair']);
    assert.notStrictEqual(after.etag, before.etag);
    assert.strictEqual(after.authentication.symmetricKey.primaryKey, before.authentication.symmetricKey.primaryKey);
    assert.strictEqual(body(await registry.get('d-1')).status, 'disabled');
    await refused(registry.update({ deviceId: 'nobody' }), 'DeviceNotFoundError', 404);
  },
  'an edge device comes with its modules': async () => {
    assert.strictEqual(body(await registry.create({ deviceId: 'edge-1', capabilities: { iotEdge: true } })).capabilities.iotEdge, true);
    const modules = body(await registry.getModulesOnDevice('edge-1'));
    assert.deepStrictEqual(modules.map((m) => m.moduleId), ['$edgeAgent', '$edgeHub']);
  },
  'devices are listed, without modules': async () => {
    const all = body(await registry.list()).map((d) => d.deviceId);
    for (const id of ['d-1', 'd-keys', 'edge-1']) assert(all.includes(id), `${id} is missing of ${all}`);
    assert(!all.includes('$edgeAgent'));
  },
  'a hundred devices are added in bulk': async () => {
    const many = Array.from({ length: 100 }, (_, i) => ({ deviceId: `bulk-${i}`, tags: { n: i, half: i % 2 ? 'odd' : 'even' } }));
    assert.deepStrictEqual(body(await registry.addDevices(many)), { isSuccessful: true, errors: [], warnings: [] });
    assert.strictEqual((await registry.getTwin('bulk-7')).responseBody.tags.n, 7);
  },
  'what fails in bulk is told, the rest is done': async () => {
    await assert.rejects(registry.addDevices([{ deviceId: 'bulk-0' }, { deviceId: 'bulk-new' }]), (err) => {
      const result = JSON.parse(err.responseBody);
      assert.strictEqual(result.isSuccessful, false);
      assert.deepStrictEqual(result.errors.map((e) => [e.deviceId, e.errorCode]), [['bulk-0', 'DeviceAlreadyExists']]);
      return true;
    });
    assert.strictEqual(body(await registry.get('bulk-new')).deviceId, 'bulk-new');
  },
  'devices are changed in bulk': async () => {
    await registry.updateDevices([{ deviceId: 'bulk-0', status: 'disabled' }], true);
    const device = body(await registry.get('bulk-0'));
    assert.strictEqual(device.status, 'disabled');
    await registry.updateDevices([{ deviceId: 'bulk-0', status: 'enabled', etag: device.etag }], false);
    await refusedInBulk(registry.updateDevices([{ deviceId: 'bulk-0', etag: device.etag }], false), 'PreconditionFailed');
  },
  'devices are removed in bulk': async () => {
    await registry.removeDevices([{ deviceId: 'bulk-new' }], true);
    await refused(registry.get('bulk-new'), 'DeviceNotFoundError', 404);
    await refusedInBulk(registry.removeDevices([{ deviceId: 'bulk-new' }], true), 'DeviceNotFound');
  },
  'a module is made, changed with its etag, and removed': async () => {
    const made = body(await registry.addModule({ deviceId: 'd-1', moduleId: 'press' }));
    assert.deepStrictEqual([made.deviceId, made.moduleId], ['d-1', 'press']);
    await refused(registry.addModule({ deviceId: 'd-1', moduleId: 'press' }), 'DeviceAlreadyExistsError', 409);
    const changed = body(await registry.updateModule(made));
    assert.notStrictEqual(changed.etag, made.etag);
    await refused(registry.updateModule(made), 'InvalidEtagError', 412);
    // The SDK takes a module only with a callback.
    await refused(new Promise((done, failed) => { registry.removeModule(made, (err) => (err ? failed(err) : done())); }), 'InvalidEtagError', 412);
    assert.strictEqual(body(await registry.getModule('d-1', 'press')).etag, changed.etag);
    await registry.removeModule('d-1', 'press');
    await refused(registry.getModule('d-1', 'press'), null, 404);
  },
  'a twin is patched with its etag': async () => {
    const twin = (await registry.getTwin('d-1')).responseBody;
    await twin.update({ tags: { site: 'Ulm', old: 1 }, properties: { desired: { rate: 5 } } });
    assert.deepStrictEqual([twin.tags, twin.properties.desired.rate, twin.properties.desired.$version], [{ site: 'Ulm', old: 1 }, 5, 2]);
    const stale = twin.etag;
    await twin.update({ tags: { old: null } });
    assert.deepStrictEqual(twin.tags, { site: 'Ulm' });
    await refused(registry.updateTwin('d-1', { tags: { site: 'Bonn' } }, stale), 'InvalidEtagError', 412);
    await registry.updateTwin('d-1', { tags: { site: 'Bonn' } }, '*');
    assert.strictEqual((await registry.getTwin('d-1')).responseBody.tags.site, 'Bonn');
    await refused(registry.updateTwin('d-1', { tags: { 'no.dots': 1 } }, '*'), 'ArgumentError', 400);
  },
  'a module’s twin is patched': async () => {
    const twin = (await registry.getModuleTwin('edge-1', '$edgeHub')).responseBody;
    await twin.update({ properties: { desired: { routes: 'all' } } });
    const again = (await registry.getModuleTwin('edge-1', '$edgeHub')).responseBody;
    assert.deepStrictEqual([again.moduleId, again.properties.desired.routes], ['$edgeHub', 'all']);
  },
  'a query is paged: every twin once': async () => {
    const query = registry.createQuery("SELECT * FROM devices WHERE tags.half = 'even' AND tags.n >= 10", 7);
    const found = [];
    for (let pages = 0; query.hasMoreResults; pages++) {
      assert(pages < 20, 'the query does not end');
      const page = (await query.nextAsTwin()).result;
      assert(page.length > 0 && page.length <= 7);
      found.push(...page.map((t) => t.tags.n));
    }
    assert.deepStrictEqual(found.sort((a, b) => a - b), Array.from({ length: 45 }, (_, i) => 10 + 2 * i));
  },
  'a query selects, counts and groups': async () => {
    const rows = async (text) => (await registry.createQuery(text).next()).result;
    assert.deepStrictEqual(await rows("SELECT deviceId, tags.n AS n FROM devices WHERE deviceId IN ['bulk-3', 'bulk-4'] AND NOT tags.n = 4"),
      [{ deviceId: 'bulk-3', n: 3 }]);
    assert.deepStrictEqual(await rows('SELECT COUNT() AS n FROM devices WHERE is_defined(tags.half)'), [{ n: 100 }]);
    assert.deepStrictEqual(await rows('SELECT tags.half AS half, COUNT() AS n FROM devices WHERE is_defined(tags.half) GROUP BY tags.half'),
      [{ half: 'even', n: 50 }, { half: 'odd', n: 50 }]);
    assert.deepStrictEqual((await rows("SELECT * FROM devices.modules WHERE properties.desired.routes = 'all'")).map((t) => t.moduleId), ['$edgeHub']);
    await refused(registry.createQuery('SELECT * FROM devices WHERE').next(), 'ArgumentError', 400);
  },
  'devices are counted': async () => {
    const counts = body(await registry.getRegistryStatistics());
    assert.strictEqual(counts.totalDeviceCount, counts.enabledDeviceCount + counts.disabledDeviceCount);
    assert.strictEqual(counts.disabledDeviceCount, 1);
  },
  'a method is called': async () => {
    const client = Client.fromConnectionString(AZX_SERVICE);
    const answer = (await client.invokeDeviceMethod(AZX_METHOD_DEVICE, { methodName: 'reboot', payload: { delay: 5 } })).result;
    assert.deepStrictEqual(answer, { status: 200, payload: { delay: 5, was: 'running' } });
    const failed = (await client.invokeDeviceMethod(AZX_METHOD_DEVICE, { methodName: 'fail', payload: {} })).result;
    assert.deepStrictEqual(failed, { status: 500, payload: { why: 'no oil' } });
    await assert.rejects(client.invokeDeviceMethod('d-keys', { methodName: 'reboot' }), (err) => {
      assert.strictEqual(err.response.statusCode, 404);
      assert.strictEqual(JSON.parse(JSON.parse(err.responseBody).Message).errorCode, 404103);
      return true;
    });
    await assert.rejects(client.invokeDeviceMethod(AZX_METHOD_DEVICE, { methodName: 'slow', payload: { seconds: 30 }, responseTimeoutInSeconds: 5 }), (err) => {
      assert.strictEqual(err.response.statusCode, 504);
      assert.strictEqual(JSON.parse(JSON.parse(err.responseBody).Message).errorCode, 504101);
      return true;
    });
  },
  'a policy needs the right': async () => {
    const service = Registry.fromConnectionString(AZX_SERVICE);
    await refused(service.get('d-1'), 'UnauthorizedError', 401);
    await refused(service.create({ deviceId: 'd-2' }), 'UnauthorizedError', 401);
    assert.strictEqual((await service.getTwin('d-1')).responseBody.deviceId, 'd-1');
    const wrong = AZX_OWNER.replace(/SharedAccessKey=.*/, `SharedAccessKey=${Buffer.alloc(32).toString('base64')}`);
    await refused(Registry.fromConnectionString(wrong).get('d-1'), 'UnauthorizedError', 401);
  },
  'what the hub does not have says so': async () => {
    await refused(registry.getConfigurations(), null, 501);
    await refused(registry.create({ deviceId: 'x', authentication: { type: 'selfSigned' } }), null, 501);
  },
  'a device is deleted with its twin': async () => {
    await registry.delete('d-1');
    await refused(registry.getTwin('d-1'), 'DeviceNotFoundError', 404);
    await refused(registry.delete('d-1'), 'DeviceNotFoundError', 404);
  },
};

async function refusedInBulk(promise, code) {
  await assert.rejects(promise, (err) => {
    assert.deepStrictEqual(JSON.parse(err.responseBody).errors.map((e) => e.errorCode), [code]);
    return true;
  });
}

async function main() {
  for (const [name, step] of Object.entries(steps)) {
    try {
      await step();
    } catch (err) {
      console.error(name, err.message, err.responseBody || '', err.stack);
      process.exit(1);
    }
    console.log(name);
  }
}

main().then(() => process.exit(0));
