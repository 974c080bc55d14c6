// What somebody would write who has no connector: Microsoft's reader of events, and a PUT to the platform for each message.
// Arguments: host:port of the source, connection string, URL of the platform. NODE_EXTRA_CA_CERTS names the source's root.
'use strict';

const { EventHubConsumerClient, earliestEventPosition } = require('@azure/event-hubs');
const { Pool } = require('undici');

const IN_FLIGHT = 32; // as the other peers that PUT

function main([source, connectionString, platform]) {
  const client = new EventHubConsumerClient('azx', connectionString, { customEndpointAddress: `sb://${source}` });
  const pool = new Pool(platform, { connections: IN_FLIGHT, pipelining: 1 });
  const waiting = [];
  let free = IN_FLIGHT;

  // room resolves when one more PUT may go out.
  function room() {
    if (free > 0) {
      free -= 1;
      return undefined;
    }
    return new Promise((resolve) => { waiting.push(resolve); });
  }

  function done() {
    const next = waiting.shift();
    if (next) next();
    else free += 1;
  }

  async function put(event) {
    const thing = event.systemProperties['iothub-connection-device-id'];
    const answer = await pool.request({
      method: 'PUT',
      path: `/Thingworx/Things/${thing}/Properties/*`,
      headers: { 'content-type': 'application/json', appkey: 'bench' },
      body: JSON.stringify(event.body),
    });
    await answer.body.dump();
    if (answer.statusCode !== 200) throw new Error(`PUT to ${thing}: ${answer.statusCode}`);
    done();
  }

  client.subscribe({
    async processEvents(events) {
      for (const event of events) {
        await room();
        put(event).catch(fail);
      }
    },
    async processError(err) { fail(err); },
  }, { startPosition: earliestEventPosition, maxBatchSize: 256, maxWaitTimeInSeconds: 1 });
}

function fail(err) {
  console.error(err);
  process.exit(1);
}

main(process.argv.slice(2));
