// Microsoft's job client and the bulk jobs of its registry client: scheduled twin updates and methods with their results,
// cancelling, paging; export to and import from a container. Each step checks what the hub gives and prints its name.
// Environment: AZX_OWNER (connection string of a policy), AZX_METHOD_DEVICE (a device of twoway.js that is connected),
// AZX_CONTAINER (the URI of a container, with a signature), AZX_EMPTY (one of another, which is empty).
'use strict';

const assert = require('assert');
const { JobClient, Registry } = require('azure-iothub');

const { AZX_OWNER, AZX_METHOD_DEVICE, AZX_CONTAINER, AZX_EMPTY } = process.env;
const registry = Registry.fromConnectionString(AZX_OWNER);
const jobs = JobClient.fromConnectionString(AZX_OWNER);
const ended = ['completed', 'failed', 'cancelled'];

async function until(read) {
  for (let tries = 0; tries < 300; tries++) {
    const job = await read();
    if (ended.includes(job.status)) return job;
    await new Promise((done) => { setTimeout(done, 100); });
  }
  throw new Error('the job does not end');
}

const finished = (id) => until(async () => (await jobs.getJob(id)).jobStatus);
const bulkFinished = (id) => until(() => registry.getJob(id));
const rows = async (text) => (await registry.createQuery(text).next()).result;
const refused = (promise, status) => assert.rejects(promise, (err) => {
  assert.strictEqual(err.response.statusCode, status, err.message);
  return true;
});

const steps = {
  'a scheduled job changes twins': async () => {
    await registry.addDevices(Array.from({ length: 20 }, (_, i) => ({ deviceId: `job-${i}`, tags: { half: i % 2 ? 'odd' : 'even' } })));
    const made = (await jobs.scheduleTwinUpdate('twins-1', "tags.half = 'odd'", { etag: '*', tags: { site: 'Ulm' }, properties: { desired: { rate: 5 } } })).jobStatus;
    assert.strictEqual(made.jobId, 'twins-1');
    assert.strictEqual(made.type, 'scheduleUpdateTwin');
    const job = await finished('twins-1');
    assert.strictEqual(job.status, 'completed');
    assert.deepStrictEqual(job.deviceJobStatistics, { deviceCount: 10, failedCount: 0, succeededCount: 10, runningCount: 0, pendingCount: 0 });
    assert.strictEqual((await registry.getTwin('job-1')).responseBody.tags.site, 'Ulm');
    assert.strictEqual((await registry.getTwin('job-2')).responseBody.tags.site, undefined);
  },
  'a job of methods has the answers': async () => {
    await jobs.scheduleDeviceMethod('method-1', `deviceId IN ['${AZX_METHOD_DEVICE}', 'job-0']`, { methodName: 'reboot', payload: { delay: 5 }, responseTimeoutInSeconds: 15 });
    const job = await finished('method-1');
    assert.deepStrictEqual([job.status, job.deviceJobStatistics.succeededCount, job.deviceJobStatistics.failedCount], ['completed', 1, 1]);
    const [done] = await rows(`SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'method-1' AND devices.jobs.status = 'completed'`);
    assert.strictEqual(done.deviceId, AZX_METHOD_DEVICE);
    assert.deepStrictEqual(done.outcome.deviceMethodResponse, { status: 200, payload: { delay: 5, was: 'running' } });
    const failed = await rows(`SELECT deviceId FROM devices.jobs WHERE jobId = 'method-1' AND status = 'failed'`);
    assert.deepStrictEqual(failed, [{ deviceId: 'job-0' }]);
  },
  'a job for later is cancelled': async () => {
    const later = new Date(Date.now() + 3600 * 1000);
    const made = (await jobs.scheduleTwinUpdate('later-1', '*', { tags: { late: true } }, later, 600)).jobStatus;
    assert.deepStrictEqual([made.status, made.maxExecutionTimeInSeconds, new Date(made.startTime).getTime()], ['scheduled', 600, later.getTime()]);
    assert.strictEqual((await jobs.cancelJob('later-1')).jobStatus.status, 'cancelled');
    await refused(jobs.cancelJob('later-1'), 400);
  },
  'jobs are found by type and status, page by page': async () => {
    const found = [];
    const query = jobs.createQuery('scheduleUpdateTwin', null, 1);
    for (let pages = 0; query.hasMoreResults; pages++) {
      assert(pages < 5, 'the query does not end');
      found.push(...(await query.next(query.continuationToken)).result.map((j) => j.jobId)); // without it the SDK asks for the first page again
    }
    assert.deepStrictEqual(found, ['later-1', 'twins-1']);
    assert.deepStrictEqual((await jobs.createQuery(null, 'cancelled').next()).result.map((j) => j.jobId), ['later-1']);
  },
  'what cannot be is refused': async () => {
    await refused(jobs.getJob('nobody'), 404);
    await refused(jobs.scheduleTwinUpdate('twins-1', '*', { tags: { a: 1 } }), 409);
    await refused(jobs.scheduleTwinUpdate('bad-1', 'tags.half =', { tags: { a: 1 } }), 400);
    await refused(jobs.scheduleTwinUpdate('bad 1', '*', { tags: { a: 1 } }), 400);
  },
  'all devices are exported': async () => {
    const made = await registry.exportDevicesToBlob(AZX_CONTAINER, false);
    assert.strictEqual(made.type, 'export');
    const job = await bulkFinished(made.jobId);
    assert.deepStrictEqual([job.status, job.progress, job.outputBlobName], ['completed', 100, 'devices.txt'], job.failureReason);
    assert.deepStrictEqual((await registry.listJobs()).responseBody.map((j) => j.jobId), [made.jobId]);
  },
  'what was exported is imported again': async () => {
    for (let i = 0; i < 5; i++) await registry.delete(`job-${i}`);
    const made = await registry.importDevicesFromBlob(AZX_CONTAINER, AZX_CONTAINER);
    const job = await bulkFinished(made.jobId);
    assert.strictEqual(job.status, 'completed', job.failureReason);
    const twin = (await registry.getTwin('job-1')).responseBody;
    assert.deepStrictEqual([twin.tags, twin.properties.desired.rate], [{ half: 'odd', site: 'Ulm' }, 5]);
  },
  'an import from an empty container fails': async () => {
    const made = await registry.importDevicesFromBlob(AZX_EMPTY, AZX_EMPTY);
    const job = await bulkFinished(made.jobId);
    assert.strictEqual(job.status, 'failed');
    assert(job.failureReason.includes('404'), job.failureReason);
    await registry.cancelJob(made.jobId);
    await refused(registry.getJob('nobody'), 404);
  },
};

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
