package config

import (
	"slices"
	"time"
)

// When a changed value takes effect.
type when int

const (
	restart when = iota // at the next start
	live                // at once
	ifKey               // at once if it leads to the same place, with another policy or key; else at the next start
)

// needed stands for the default of a key that the file has to have.
const needed = "needed"

// key is what there is to know of a key beside its type: for the checks, the schema, the document, and whoever wants to
// know what takes effect when.
type key struct {
	path      string // hubs[] stands for each hub
	about     string // for people
	otherwise string // what happens without it, for people; "" if its value then says it
	when      when

	// Of numbers, sizes and times, in their unit (bytes, nanoseconds):
	low, high int64
	want      string // the limits, for people; "" for none
}

// Keys of the file, in the order of the document. Every key that the types have is in one of the lists.
var (
	generalKeys = []key{
		{path: "name", about: "the connector Thing", otherwise: "`azx-<host name>`"},
		{
			path: "availabilityGroup", otherwise: "what the connector Thing has",
			about: "connectors with the same one stand in for each other: one of them is `active` on the platform",
		},
		{path: "platform.urls", about: "AlwaysOn addresses of the platform's instances, `ws://` or `wss://`; they are tried in their order", otherwise: needed},
		{path: "platform.appKey", about: "the application key", otherwise: needed, when: live},
		{
			path: "platform.appKeyName", otherwise: "nobody asks", when: live,
			about: "name of the application key on the platform, which is asked when the key expires: see [identity.md](identity.md)",
		},
		{path: "platform.caFile", about: "PEM file of extra roots", otherwise: "the system's"},
		{path: "platform.certFile", about: "PEM file of a client's certificate, if the platform asks for one", otherwise: "none"},
		{path: "platform.keyFile", about: "PEM file of its key", otherwise: "none"},
		{
			path: "proxy", otherwise: "the environment's `HTTPS_PROXY`",
			about: "an HTTP proxy that leads to hubs and platform, or `none`; below, under Networks and proxies, is more",
		},
		{path: "noProxy", about: "what is reached without it, in the form of `NO_PROXY`", otherwise: "the environment's `NO_PROXY`"},
		{
			path: "identity.kind", otherwise: "keys alone",
			about: "who the connector is for Azure, where no key is given: `managed`, `workload`, `secret` or `certificate`; see [identity.md](identity.md)",
		},
		{path: "identity.tenant", about: "id of the tenant", otherwise: "needed with `secret` and `certificate`; else `AZURE_TENANT_ID`"},
		{
			path: "identity.clientId", about: "id of the application, or of a user-assigned managed identity",
			otherwise: "needed with `secret` and `certificate`; else the system-assigned identity, or `AZURE_CLIENT_ID`",
		},
		{path: "identity.clientSecret", about: "of the application", otherwise: "needed with `secret`"},
		{path: "identity.certFile", about: "PEM file of the application's certificate", otherwise: "needed with `certificate`"},
		{path: "identity.keyFile", about: "PEM file of its key", otherwise: "in `identity.certFile`"},
		{path: "identity.tokenFile", about: "with `workload`: file of the token that Kubernetes keeps fresh", otherwise: "`AZURE_FEDERATED_TOKEN_FILE`"},
		{path: "identity.authority", about: "where to sign in, in another cloud", otherwise: "the public cloud's"},
		{path: "identity.caFile", about: "PEM file of extra roots for it, and for vaults", otherwise: "the system's"},
		{path: "checkpoint.file", about: "folder of the checkpoints, for one connector", otherwise: "needed without `checkpoint.blob`"},
		{
			path: "checkpoint.blob.connectionString", otherwise: "none",
			about: "of a storage account, whose container connectors of a hub may share: each reads a part of the partitions",
		},
		{path: "checkpoint.blob.url", about: "of the storage account instead: with a SAS, or the `identity` signs in", otherwise: "none"},
		{path: "checkpoint.blob.container", about: "the container, which has to be there", otherwise: "none"},
		{path: "checkpoint.blob.caFile", about: "PEM file of extra roots for it", otherwise: "the system's"},
		{
			path: "checkpoint.leases.interval", about: "between two renewals of a lease in the container",
			low: int64(time.Second), high: int64(time.Minute), want: "1s to 1m",
		},
		{
			path: "checkpoint.leases.expiry", low: int64(4 * time.Second), high: int64(10 * time.Minute), want: "4s to 10m",
			about: "age at which a lease is anybody's; at least three intervals, and the same for all connectors",
		},
		{path: "quarantine.dir", about: "folder of messages put aside", otherwise: needed},
		{
			path: "quarantine.limit", about: "bytes on disk of what could not be delivered: when it is full nothing is read",
			low: 1 << 20, high: 64 << 30, want: "1MiB to 64GiB",
		},
		{
			path: "quarantine.limitPerReason", about: "the same, for each reason", otherwise: "`limit` alone",
			low: 1 << 20, high: 64 << 30, want: "1MiB to 64GiB",
		},
		{
			path: "quarantine.maxAge", about: "age at which records are removed, counted and told in the log", otherwise: "nothing is removed by itself",
			low: int64(time.Hour), high: int64(100_000 * time.Hour), want: "1h to 100000h",
		},
		{
			path: "quarantine.pauseAfter", about: "refusals for one reason in a row, of ten devices, after which reading pauses; 0 never pauses",
			low: 0, high: 1_000_000_000, want: "0 to 1000000000",
		},
		{path: "admin.listen", about: "loopback address of `/livez`, `/readyz`, `/status`, `/metrics`, and of `azx reload`"},
		{path: "admin.pprof", about: "`on`: profiles of the process at `/debug/pprof/` of that address"},
		{
			path: "tracing.otlp", otherwise: "none are made",
			about: "address of a collector for traces, OTLP over HTTP: see [observe.md](observe.md)",
		},
		{path: "log.level", about: "from which level lines are written: `debug`, `info`, `warn` or `error`; `azx run --log-level` wins", when: live},
		{path: "memory", about: "what messages in flight may hold, of all hubs", low: 1 << 20, high: 64 << 30, want: "1MiB to 64GiB"},
		{path: "lanes", about: "ordered queues to the platform, for each hub; each has up to eight requests under way, of as many Things", low: 1, high: 1024, want: "1 to 1024"},
		{
			path: "gather", low: 0, high: int64(time.Second), want: "0s to 1s",
			about: "how long a Thing rests at most between two requests while more than 5,000 messages a second come, so that several of its messages travel in one; `0s`: it does not",
		},
		{path: "requestTimeout", about: "how long a request to the platform may take", low: int64(time.Second), high: int64(10 * time.Minute), want: "1s to 10m"},
	}
	hubKeys = []key{
		{path: "hubs[].thing", about: "the hub Thing", otherwise: needed},
		{
			path: "hubs[].connectionString", otherwise: "asked of the hub Thing", when: ifKey,
			about: "of a shared access policy with the right to connect services; without it there is telemetry only",
		},
		{
			path: "hubs[].hostName", otherwise: "that of the connection string",
			about: "the hub's name: its service side is signed in to with `identity`, and keys are for reading messages alone",
		},
		{
			path: "hubs[].eventHubsConnectionString", otherwise: "the redirect", when: ifKey,
			about: "instead of the redirect that the hub gives for its events",
		},
		{path: "hubs[].consumerGroup", about: "one of its own"},
		{path: "hubs[].start", about: "`earliest`, `latest` or a time, where there is no checkpoint"},
		{path: "hubs[].caFile", about: "PEM file of extra roots", otherwise: "the system's"},
		{
			path:  "hubs[].transport",
			about: "of AMQP: `amqp` at port 5671, `websocket` at port 443, or `auto`: the second where the first does not get through",
		},
		{path: "hubs[].endpoints.amqps", about: "address to dial for AMQP instead of the hub's own", otherwise: "the hub's"},
		{path: "hubs[].endpoints.https", about: "address to dial for HTTPS instead of the hub's own", otherwise: "the hub's"},
		{path: "hubs[].extensions", about: "what the platform has: `azx`, `other` or `none`"},
		{path: "hubs[].allowThings", about: "patterns of the Things that devices may write to", otherwise: "needed with `extensions: none`"},
		{
			path:  "hubs[].receiver",
			about: "what reads messages: `fast`, a receiver of our own, or `sdk`, Microsoft's library for Event Hubs, which takes six times the CPU time, and a little less memory",
		},
		{path: "hubs[].onUnknownThing", about: "messages of a device without a Thing: `keep`, `skip`, `quarantine`, or `create`: they wait until it is made"},
		{path: "hubs[].lifecycle.onCreate", about: "a device was made at the hub: `tell`, or `create` its Thing; see [devices.md](devices.md)"},
		{path: "hubs[].lifecycle.onDelete", about: "a device was deleted at the hub: `tell`, or `disable` its Thing"},
		{path: "hubs[].lifecycle.onMoved", about: "a device is at this hub and its Thing another one's: `refuse`, or `adopt` the Thing"},
		{path: "hubs[].lifecycle.onNoDevice", about: "a request for a Thing whose device the hub does not have: `refuse` it, or `create` the device; needs `RegistryWrite`"},
		{
			path: "hubs[].lifecycle.rules", otherwise: "`AzureIotThing`",
			about: "templates of Things that are made: `TEMPLATE`, `edge=TEMPLATE`, `TAG=TEMPLATE` or `TAG:VALUE=TEMPLATE`; the first that fits counts",
		},
		{path: "hubs[].lifecycle.declare", about: "`on`: Things that are made get remote properties for what their device has sent or reported"},
		{path: "hubs[].timeField", about: "a field of the body with the message's time", otherwise: "none"},
		{
			path: "hubs[].retention", otherwise: "`24h`, the least that a hub has",
			about: "how long the hub keeps messages; the lag is told as a share of it, and nothing else depends on it",
			low:   int64(time.Hour), high: int64(longestRetention), want: "1h to 168h",
		},
	}
	requestKeys = []key{
		{
			path: "hubs[].routingGroup", otherwise: "asked of the hub Thing",
			about: "the group that is bound at the platform; there, it must not be null, empty or blank",
		},
		{path: "hubs[].bind", about: "`group`, `devices`, or `auto`: the group, and the devices if the group brings nothing"},
		{path: "hubs[].tier", about: "`standard` or `basic`, or the edition: F1, B1 to B3, S1 to S3", otherwise: "`standard`, which is S1"},
		{path: "hubs[].units", about: "of the tier; calls are spaced to what tier and units allow", low: 1, high: 200, want: "1 to 200"},
		{
			path:  "hubs[].feedback",
			about: "`on`: read what became of messages to devices. A hub has one such queue, other back ends miss what is read",
		},
		{path: "hubs[].writeVia", about: "how writes travel: `c2d`, `desired` or `method:<name>`; a Thing may say otherwise", when: live},
		{
			path: "hubs[].writeWindow", about: "how long a write waits for others of its Thing", when: live,
			low: int64(time.Millisecond), high: int64(time.Second), want: "1ms to 1s",
		},
		{
			path: "hubs[].messageTTL", about: "how long the hub keeps a message for a device", otherwise: "as the hub is set", when: live,
			low: int64(time.Second), high: int64(longestMessage), want: "1s to 48h",
		},
		{
			path: "hubs[].twinMaxAge", about: "how old a twin may be that is read", when: live,
			low: int64(100 * time.Millisecond), high: int64(time.Hour), want: "100ms to 1h",
		},
		{
			path: "hubs[].methods.connectTimeout", about: "how long a device may take to connect", otherwise: "`0s`: it must be connected", when: live,
			low: 0, high: int64(longestMethod - leastResponse), want: "0s to 24s: the platform waits 30s",
		},
		{
			path: "hubs[].methods.responseTimeout", about: "how long it may take to answer; together they are up to 29s", when: live,
			low: int64(leastResponse), high: int64(longestMethod), want: "5s to 29s: the platform waits 30s",
		},
		{
			path: "hubs[].methods.services", otherwise: "the two above", when: live,
			about: "by the remote name of a service, `module::name` for a module's: its own `connectTimeout` and `responseTimeout`",
		},
		{
			path: "hubs[].presence.timeout", otherwise: "nobody looks", low: int64(2 * time.Second), high: int64(longestSilence), want: "2s to 8760h",
			about: "how long a device may be silent before it is `offline`: see [devices.md](devices.md)",
		},
		{
			path: "hubs[].presence.late", otherwise: "a third of it", low: int64(time.Second), high: int64(longestSilence), want: "1s to 8760h",
			about: "how long before it is `late`, less than `timeout`",
		},
		{path: "hubs[].presence.ping", about: "`on`: ask edge devices that are late, within a hundredth of what `tier` and `units` allow a day"},
		{path: "hubs[].presence.lastSeen", about: "`on`: also write when a device was last seen, once each quarter of `timeout` at most"},
	}
)

// allKeys are the keys of all lists.
func allKeys() []key { return slices.Concat(generalKeys, hubKeys, requestKeys) }

// keyAt is the key with a path; the zero value if there is none.
func keyAt(path string) key {
	for _, k := range allKeys() {
		if k.path == path {
			return k
		}
	}
	return key{}
}

// text is what there is to say of a key, with its limits.
func (k key) text() string {
	if k.want == "" {
		return k.about
	}
	return k.about + "; " + k.want
}
