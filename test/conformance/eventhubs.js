// A back end as Microsoft's Event Hubs client for Node makes it: reads runtime information, then all
// partitions, and prints one JSON line for the former and one for each event of the test.
// Environment: AZX_EVENTS (connection string), AZX_CUSTOM_ENDPOINT (may be empty), AZX_REACH (set:
// over WebSocket, see websocket_reach.js), AZX_GROUP, AZX_RUN
// (the property "run" of the test's events), AZX_COUNT, AZX_SINCE (milliseconds since 1970, 0: earliest).
'use strict';

const { EventHubConsumerClient, earliestEventPosition } = require('@azure/event-hubs');

async function main(env) {
  const options = env.AZX_CUSTOM_ENDPOINT ? { customEndpointAddress: env.AZX_CUSTOM_ENDPOINT } : {};
  if (env.AZX_REACH) options.webSocketOptions = { webSocket: require('ws') };
  const client = new EventHubConsumerClient(env.AZX_GROUP, env.AZX_EVENTS, options);
  const ids = await client.getPartitionIds();
  const about = await client.getEventHubProperties();
  const partitions = await Promise.all(ids.map((id) => client.getPartitionProperties(id)));
  console.log(JSON.stringify({ ids, about, partitions }));

  let left = Number(env.AZX_COUNT);
  const since = Number(env.AZX_SINCE);
  await new Promise((resolve, reject) => {
    const subscription = client.subscribe({
      async processEvents(events, context) {
        for (const e of events) {
          if ((e.properties || {}).run !== env.AZX_RUN) continue;
          console.log(JSON.stringify({
            partition: context.partitionId,
            body: e.body,
            properties: e.properties,
            systemProperties: e.systemProperties,
            contentType: e.contentType,
            messageId: e.messageId,
            correlationId: e.correlationId,
            sequenceNumber: e.sequenceNumber,
            offset: e.offset,
            enqueued: e.enqueuedTimeUtc,
          }));
          left -= 1;
          if (left === 0) subscription.close().then(resolve, reject);
        }
      },
      async processError(err) { reject(err); },
    }, {
      startPosition: since > 0 ? { enqueuedOn: since } : earliestEventPosition,
      maxBatchSize: 500,
      maxWaitTimeInSeconds: 1,
    });
  });
  await client.close();
}

main(process.env).then(() => process.exit(0), (err) => {
  console.error(err);
  process.exit(1);
});
