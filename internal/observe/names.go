package observe

import "github.com/prometheus/client_golang/prometheus"

// The names of all metrics. Dashboards and alerts depend on them: never change one, add a new one.
const (
	nameReceived          = "azx_messages_received_total"
	nameSettled           = "azx_messages_settled_total"
	nameInFlight          = "azx_messages_in_flight"
	nameSkipped           = "azx_messages_skipped_total"
	nameQuarantined       = "azx_messages_quarantined_total"
	nameEvicted           = "azx_messages_evicted_total"
	nameCreationTime      = "azx_creation_time_replaced_total"
	nameValues            = "azx_values_written_total"
	nameUnknownKeys       = "azx_unknown_keys_total"
	nameRequests          = "azx_platform_requests_total"
	nameRequestSeconds    = "azx_platform_request_seconds"
	nameRetries           = "azx_platform_retries_total"
	nameLookups           = "azx_table_lookups_total"
	nameAnnounced         = "azx_unknown_things_announced_total"
	nameEvents            = "azx_platform_events_total"
	nameReplayed          = "azx_quarantine_replayed_total"
	nameExpired           = "azx_quarantine_expired_total"
	nameQuarantineBytes   = "azx_quarantine_bytes"
	nameQuarantineRecords = "azx_quarantine_records"
	nameReloads           = "azx_settings_reloads_total"
	nameConnections       = "azx_platform_connections"
	nameURLConnections    = "azx_platform_url_connections"
	nameParked            = "azx_things_parked"
	nameHubConnected      = "azx_hub_connected"
	nameReceiveErrors     = "azx_receive_errors_total"
	nameCheckpointErrors  = "azx_checkpoint_errors_total"
	namePositionUnknown   = "azx_positions_unknown_total"
	nameMissed            = "azx_messages_missed_total"
	nameStalls            = "azx_partition_stalls_total"
	nameLeases            = "azx_lease_changes_total"
	nameLeaseErrors       = "azx_lease_errors_total"
	nameLagMessages       = "azx_lag_messages"
	nameLagSeconds        = "azx_lag_seconds"
	nameLagRetention      = "azx_lag_retention_ratio"
	nameHeadsAge          = "azx_hub_heads_age_seconds"
	nameHubRefused        = "azx_hub_credential_refused"
	namePlatformRefused   = "azx_platform_credential_refused"
	nameCheck             = "azx_check_ok"
	nameCheckpointAge     = "azx_checkpoint_age_seconds"
	nameBuildInfo         = "azx_build_info"
	nameSpans             = "azx_spans_total"
	nameKeyExpires        = "azx_platform_key_expires_timestamp_seconds"

	nameEgress          = "azx_egress_requests_total"
	nameEgressSeconds   = "azx_egress_request_seconds"
	nameSent            = "azx_writes_sent_messages_total"
	nameSentWrites      = "azx_writes_sent_total"
	nameTwinEvents      = "azx_twin_events_total"
	namePresence        = "azx_presence_changes_total"
	nameSnapshotsFailed = "azx_presence_snapshots_failed_total"
	namePings           = "azx_presence_pings_total"
	nameOutcomes        = "azx_message_outcomes_total"
	nameBindFallbacks   = "azx_bind_fallbacks_total"
	nameBound           = "azx_bound_names"
	nameHubOperations   = "azx_hub_operations_total"
	nameHubBilled       = "azx_hub_billed_messages_total"
	nameHubSeconds      = "azx_hub_operation_seconds"
	nameQuotaWaits      = "azx_hub_quota_waits_total"
	nameQuotaSeconds    = "azx_hub_quota_wait_seconds_total"
	nameLives           = "azx_device_lives_total"
)

// help is what each metric counts, for people.
var help = map[string]string{
	nameReceived:          "Messages received from the hub; equals settled plus in flight in every scrape.",
	nameSettled:           "Messages that came to their end, by result: delivered, quarantined, skipped, or withdrawn: left to the next reader of a partition that was lost.",
	nameInFlight:          "Messages received and not settled yet.",
	nameSkipped:           "Messages left out by a rule, by the rule.",
	nameQuarantined:       "Messages put aside with their original bytes, by the reason.",
	nameEvicted:           "Messages kept for a device without a Thing that newer ones pushed out.",
	nameCreationTime:      "Messages whose creation time was not credible; they got the enqueued time.",
	nameValues:            "Property values the platform acknowledged.",
	nameUnknownKeys:       "Values left out because the Thing has no remote property of that name.",
	nameRequests:          "Requests to the platform, by service and outcome.",
	nameRequestSeconds:    "Time from sending a request to the platform's answer.",
	nameRetries:           "Requests to the platform that were tried again, by the reason.",
	nameLookups:           "Questions to the platform for a Thing's properties, by result.",
	nameAnnounced:         "Devices without a Thing the platform was told of, or was not told of because of the limit.",
	nameEvents:            "Events for people on the platform, by what became of them: sent, failed, or held back because of the limit.",
	nameReplayed:          "Messages of the quarantine that were tried again, by what became of them: delivered, superseded or refused.",
	nameExpired:           "Messages of the quarantine that were removed because they were older than quarantine.maxAge, by the reason they had been put aside for.",
	nameQuarantineBytes:   "What the records of the quarantine take on disk, by the reason.",
	nameQuarantineRecords: "Records of the quarantine, by the reason; superseded ones are among them.",
	nameReloads:           "Looks at the settings of the hub Thing, by what they brought: same, changed, refused or failed.",
	nameConnections:       "Authenticated connections to the platform.",
	nameURLConnections:    "Authenticated connections to each instance of the platform.",
	nameParked:            "Things that do not answer, whose messages are put aside until one does.",
	nameHubConnected:      "1 while messages can be received from the hub, else 0.",
	nameReceiveErrors:     "Errors while receiving from a partition.",
	nameCheckpointErrors:  "Checkpoints that were not stored; the next try may store them.",
	namePositionUnknown:   "Positions that the hub did not know; reading went on by the time of the last message.",
	nameMissed:            "Messages that the hub did not keep until they were read.",
	nameStalls:            "Partitions opened again because they were silent although the hub had messages for them.",
	nameLeases:            "Leases of partitions that were gained or lost, and why: free, expired, stolen, ours; taken, lapsed, released, dropped.",
	nameLeaseErrors:       "Calls to the store of leases that failed: for a partition, or for the list of all if it is empty.",
	nameLagMessages:       "Messages that the hub holds after the last settled one.",
	nameLagSeconds:        "Age of the oldest message that is not settled, by its enqueued time; of one that is not received yet, the most it can be.",
	nameLagRetention:      "Age of the oldest message that is not settled, as a share of the time for which the hub keeps messages; at 1 messages are lost.",
	nameHeadsAge:          "Time since the hub last told how far its partitions reach: the lag is as of then.",
	nameHubRefused:        "1 while the hub does not accept the credential, else 0.",
	namePlatformRefused:   "1 while the platform does not accept the application key, else 0.",
	nameCheck:             "1 while a check of /readyz is in order, else 0.",
	nameCheckpointAge:     "Time since the partition's checkpoint was last stored.",
	nameSpans:             "Spans for the collector of traces, by what became of them: sent, failed, or dropped because the collector is slow.",
	nameBuildInfo:         "The version of this binary; always 1.",
	nameKeyExpires:        "When the application key expires; absent if that is not known, or never.",

	nameEgress:          "Requests of the platform to devices, by what they asked and how they ended.",
	nameEgressSeconds:   "Time from a request of the platform to its answer.",
	nameSent:            "Messages, twin changes and methods that carried property writes to devices.",
	nameSentWrites:      "Property writes that went out to devices; several travel as one.",
	namePresence:        "Devices and modules whose presence changed, by the new state and what became of telling it.",
	nameSnapshotsFailed: "Snapshots of a partition's devices that could not be saved.",
	namePings:           "Late edge devices that were to be asked, by what came of it.",
	nameTwinEvents:      "Events of changed twins, by what became of them.",
	nameOutcomes:        "Messages to devices whose outcome the hub told, by the outcome.",
	nameBindFallbacks:   "Routing groups that brought no requests, so that devices were bound one by one.",
	nameBound:           "Names bound at the platform, by the mode: the routing group, or devices one by one.",
	nameHubOperations:   "Uses of the hub's service side, by kind and result.",
	nameHubBilled:       "Messages that the hub bills for uses of its service side, as far as known.",
	nameHubSeconds:      "Time that a use of the hub's service side took, with waits and repetitions.",
	nameQuotaWaits:      "Uses of the hub's service side that waited for its quota.",
	nameQuotaSeconds:    "Time that uses of the hub's service side waited for its quota.",
	nameLives:           "Devices that were made, deleted or moved, or spoke without a Thing, by what was done about it.",
}

func options(name string) prometheus.Opts { return prometheus.Opts{Name: name, Help: help[name]} }

func counter(name string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts(options(name)), labels)
}

func histogram(name string, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: name, Help: help[name], Buckets: prometheus.ExponentialBuckets(0.0005, 2, 17), // 0.5 ms to 32 s
	}, labels)
}
