package observe

import "github.com/prometheus/client_golang/prometheus"

// The names of all metrics. Dashboards and alerts depend on them: never change one, add a new one.
const (
	nameReceived         = "azx_messages_received_total"
	nameSettled          = "azx_messages_settled_total"
	nameInFlight         = "azx_messages_in_flight"
	nameSkipped          = "azx_messages_skipped_total"
	nameQuarantined      = "azx_messages_quarantined_total"
	nameEvicted          = "azx_messages_evicted_total"
	nameCreationTime     = "azx_creation_time_replaced_total"
	nameValues           = "azx_values_written_total"
	nameUnknownKeys      = "azx_unknown_keys_total"
	nameRequests         = "azx_platform_requests_total"
	nameRequestSeconds   = "azx_platform_request_seconds"
	nameRetries          = "azx_platform_retries_total"
	nameLookups          = "azx_table_lookups_total"
	nameAnnounced        = "azx_unknown_things_announced_total"
	nameConnections      = "azx_platform_connections"
	nameHubConnected     = "azx_hub_connected"
	nameReceiveErrors    = "azx_receive_errors_total"
	nameCheckpointErrors = "azx_checkpoint_errors_total"
	nameLagMessages      = "azx_lag_messages"
	nameLagSeconds       = "azx_lag_seconds"
	nameCheckpointAge    = "azx_checkpoint_age_seconds"
	nameBuildInfo        = "azx_build_info"
)

// help is what each metric counts, for people.
var help = map[string]string{
	nameReceived:         "Messages received from the hub; equals settled plus in flight in every scrape.",
	nameSettled:          "Messages that came to their end, by result: delivered, quarantined or skipped.",
	nameInFlight:         "Messages received and not settled yet.",
	nameSkipped:          "Messages left out by a rule, by the rule.",
	nameQuarantined:      "Messages put aside with their original bytes, by the reason.",
	nameEvicted:          "Messages kept for a device without a Thing that newer ones pushed out.",
	nameCreationTime:     "Messages whose creation time was not credible; they got the enqueued time.",
	nameValues:           "Property values the platform acknowledged.",
	nameUnknownKeys:      "Values left out because the Thing has no remote property of that name.",
	nameRequests:         "Requests to the platform, by service and outcome.",
	nameRequestSeconds:   "Time from sending a request to the platform's answer.",
	nameRetries:          "Requests to the platform that were tried again, by the reason.",
	nameLookups:          "Questions to the platform for a Thing's properties, by result.",
	nameAnnounced:        "Devices without a Thing the platform was told of, or was not told of because of the limit.",
	nameConnections:      "Authenticated connections to the platform.",
	nameHubConnected:     "1 while messages can be received from the hub, else 0.",
	nameReceiveErrors:    "Errors while receiving from a partition.",
	nameCheckpointErrors: "Checkpoints that were not stored; the next try may store them.",
	nameLagMessages:      "Messages that the hub holds after the last settled one.",
	nameLagSeconds:       "Age of the oldest message that is not settled, by its enqueued time.",
	nameCheckpointAge:    "Time since the partition's checkpoint was last stored.",
	nameBuildInfo:        "The version of this binary; always 1.",
}

func options(name string) prometheus.Opts { return prometheus.Opts{Name: name, Help: help[name]} }

func counter(name string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts(options(name)), labels)
}
