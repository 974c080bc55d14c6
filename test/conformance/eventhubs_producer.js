// A producer as Microsoft's Event Hubs client for Node makes it: sends a batch to each partition, one with
// a partition key, and a hundred events through the buffered producer. Prints one JSON line: how many
// events it sent. Environment: AZX_EVENTS (connection string), AZX_CUSTOM_ENDPOINT, AZX_RUN.
'use strict';

const { EventHubBufferedProducerClient, EventHubProducerClient } = require('@azure/event-hubs');

async function main(env) {
  const options = { customEndpointAddress: env.AZX_CUSTOM_ENDPOINT };
  const event = (body) => ({ body, contentType: 'application/json', messageId: `m-${body.n}`, properties: { run: env.AZX_RUN, line: 'a/b' } });
  let sent = 0;

  const producer = new EventHubProducerClient(env.AZX_EVENTS, options);
  const targets = (await producer.getPartitionIds()).map((partitionId) => ({ partitionId }));
  for (const target of [...targets, { partitionKey: 'line 7' }]) {
    const batch = await producer.createBatch(target);
    for (let n = 0; n < 10; n++) {
      if (!batch.tryAdd(event({ n }))) throw new Error('the batch is full');
    }
    await producer.sendBatch(batch);
    sent += batch.count;
  }
  await producer.close();

  let failed = null;
  const buffered = new EventHubBufferedProducerClient(env.AZX_EVENTS, {
    ...options,
    maxWaitTimeInMs: 200,
    onSendEventsErrorHandler: async (context) => { failed = context.error; },
  });
  for (let n = 10; n < 110; n++) await buffered.enqueueEvent(event({ n }));
  await buffered.close();
  if (failed) throw failed;
  console.log(JSON.stringify({ sent: sent + 100 }));
}

main(process.env).then(() => process.exit(0), (err) => {
  console.error(err);
  process.exit(1);
});
