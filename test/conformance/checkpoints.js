// A back end of Microsoft's for Node that shares a container of checkpoints: prints what its store reads of one log as one
// line of JSON, then moves a checkpoint on and claims a partition.
// Environment: AZX_BLOB (connection string of the storage account), AZX_CONTAINER, AZX_LOG (JSON: fullyQualifiedNamespace,
// eventHubName, consumerGroup), AZX_CHECKPOINT and AZX_OWNERSHIP (JSON: what to store; etag and times are the store's).
'use strict';

const { BlobCheckpointStore } = require('@azure/eventhubs-checkpointstore-blob');
const { ContainerClient } = require('@azure/storage-blob');

async function main(env) {
  const store = new BlobCheckpointStore(new ContainerClient(env.AZX_BLOB, env.AZX_CONTAINER));
  const log = JSON.parse(env.AZX_LOG);
  const of = [log.fullyQualifiedNamespace, log.eventHubName, log.consumerGroup];
  const checkpoints = await store.listCheckpoints(...of);
  const ownerships = await store.listOwnership(...of);
  await store.updateCheckpoint({ ...log, ...JSON.parse(env.AZX_CHECKPOINT) });
  const wanted = { ...log, ...JSON.parse(env.AZX_OWNERSHIP) };
  const there = ownerships.find((o) => o.partitionId === wanted.partitionId);
  const claimed = await store.claimOwnership([{ ...wanted, etag: there && there.etag }]);
  console.log(JSON.stringify({ checkpoints, ownerships, claimed }));
}

main(process.env).then(() => process.exit(0), (err) => {
  console.error(err);
  process.exit(1);
});
