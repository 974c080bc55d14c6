// Microsoft's job client reads jobs that others have scheduled. It prints a JSON line for each: {"id", "type", "status", "condition",
// "statistics", "results": how many devices have which state, "answers": how many gave which}.
// Environment: AZX_OWNER (connection string of a policy), AZX_JOBS (ids, with commas between).
'use strict';

const { JobClient, Registry } = require('azure-iothub');

const { AZX_OWNER, AZX_JOBS } = process.env;
const jobs = JobClient.fromConnectionString(AZX_OWNER);
const registry = Registry.fromConnectionString(AZX_OWNER);

const tally = (values) => values.reduce((all, value) => ({ ...all, [value]: (all[value] || 0) + 1 }), {});

async function read(id) {
  const job = (await jobs.getJob(id)).jobStatus;
  const devices = [];
  const query = registry.createQuery(`SELECT * FROM devices.jobs WHERE devices.jobs.jobId = '${id}'`, 100);
  while (query.hasMoreResults) devices.push(...(await query.next(query.continuationToken)).result); // as in iothub_jobs.js
  const answers = devices.map((d) => (d.outcome || {}).deviceMethodResponse).filter(Boolean);
  console.log(JSON.stringify({
    id: job.jobId, type: job.type, status: job.status, condition: job.queryCondition, statistics: job.deviceJobStatistics,
    results: tally(devices.map((d) => d.status)), answers: tally(answers.map((a) => JSON.stringify([a.status, a.payload]))),
  }));
}

async function main() {
  const scheduled = (await jobs.createQuery().next()).result.map((job) => job.jobId);
  for (const id of AZX_JOBS.split(',')) {
    if (!scheduled.includes(id)) throw new Error(`job ${id} is not in the list of jobs`);
    await read(id);
  }
}

main().then(() => process.exit(0), (err) => {
  console.error(err);
  process.exit(1);
});
