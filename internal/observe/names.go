package observe

import "github.com/prometheus/client_golang/prometheus"

// The names of all metrics. Dashboards and alerts depend on them: never change one, add a new one.
const (
	nameReceived       = "azx_messages_received_total"
	nameSettled        = "azx_messages_settled_total"
	nameInFlight       = "azx_messages_in_flight"
	nameSkipped        = "azx_messages_skipped_total"
	nameQuarantined    = "azx_messages_quarantined_total"
	nameValues         = "azx_values_written_total"
	nameRequests       = "azx_platform_requests_total"
	nameRequestSeconds = "azx_platform_request_seconds"
	nameRetries        = "azx_platform_retries_total"
	nameLookups        = "azx_table_lookups_total"
	nameConnections    = "azx_platform_connections"
	nameHubConnected   = "azx_hub_connected"
	nameReceiveErrors  = "azx_receive_errors_total"
	nameLagMessages    = "azx_lag_messages"
	nameLagSeconds     = "azx_lag_seconds"
	nameCheckpointAge  = "azx_checkpoint_age_seconds"
	nameCreationTime   = "azx_creation_time_replaced_total"
	nameBuildInfo      = "azx_build_info"
)

// help is what each metric counts, for people.
var help = map[string]string{
	nameReceived:       "Messages received from the hub; equals settled plus in flight in every scrape.",
	nameSettled:        "Messages that came to their end, by result: delivered, quarantined or skipped.",
	nameInFlight:       "Messages received and not settled yet.",
	nameSkipped:        "Messages left out by a rule, by the rule.",
	nameQuarantined:    "Messages put aside with their original bytes, by the reason.",
	nameValues:         "Property values the platform acknowledged.",
	nameRequests:       "Requests to the platform, by outcome.",
	nameRequestSeconds: "Time from sending a request to the platform's answer.",
	nameRetries:        "Requests to the platform that were tried again, by the reason.",
	nameLookups:        "Questions to the platform for a Thing's properties, by result.",
	nameConnections:    "Authenticated connections to the platform.",
	nameHubConnected:   "1 while messages can be received from the hub, else 0.",
	nameReceiveErrors:  "Errors while receiving from the hub, by the reason.",
	nameLagMessages:    "Messages that the hub holds after the last settled one.",
	nameLagSeconds:     "Age of the oldest message that is not settled, by the hub's clock.",
	nameCheckpointAge:  "Time since the partition's checkpoint was last stored.",
	nameCreationTime:   "Messages whose creation time was not credible; they got the enqueued time.",
	nameBuildInfo:      "The version of this binary; always 1.",
}

func options(name string) prometheus.Opts { return prometheus.Opts{Name: name, Help: help[name]} }

func counter(name string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts(options(name)), labels)
}
