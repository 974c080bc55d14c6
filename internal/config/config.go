// Package config reads the connector's file: strictly, with every error at once and where it stands.
package config

import (
	"fmt"
	"os"
	"path"
	"reflect"
	"slices"
	"time"

	"azx/internal/dial"
	"azx/internal/secret"
)

// Config is the connector's file after Load: complete, checked, paths absolute or relative to the
// working directory. The `yaml` tags are the keys of the file.
type Config struct {
	Name string `yaml:"name"` // the connector Thing; default azx-<host name>
	// AvailabilityGroup names connectors that stand in for each other on the platform; "" (absent in the file): the connector
	// Thing keeps the group that it has there.
	AvailabilityGroup string `yaml:"availabilityGroup"`

	Platform   Platform   `yaml:"platform"` // required
	Identity   Identity   `yaml:"identity"`
	Hubs       []Hub      `yaml:"hubs"` // required; 1 to 32
	Checkpoint Checkpoint `yaml:"checkpoint"`
	Quarantine Quarantine `yaml:"quarantine"`
	Admin      Admin      `yaml:"admin"`
	Tracing    Tracing    `yaml:"tracing"`
	Log        Log        `yaml:"log"`

	// Proxy is the URL of an HTTP proxy that leads to hubs and platform, or none. Not set: the environment's HTTPS_PROXY.
	Proxy secret.Source `yaml:"proxy"`
	// NoProxy is what is reached without it, as NO_PROXY has it; "": the environment's.
	NoProxy string `yaml:"noProxy"`

	// Memory bounds the messages in flight, in bytes as message.Message.Size reckons them; default 10 MiB.
	Memory Size `yaml:"memory"`
	// Lanes is the number of ordered queues to the platform, 1 to 1024; default 32.
	Lanes int `yaml:"lanes"`
	// Gather is how long a Thing rests at most between two requests while many messages come, so that several of its messages
	// travel in one; 0 to 1 s, 0: it does not; default 100 ms.
	Gather time.Duration `yaml:"gather"`
	// RequestTimeout is how long one platform request may take, 1 s to 10 min; default 30 s.
	RequestTimeout time.Duration `yaml:"requestTimeout"`

	places map[string]position // of the keys that the files have; nil for a Config that was not read
}

// Vaults are where its credentials that are in vaults have their texts: to be filled, and kept fresh, by who uses it. A
// configuration to which changes were taken has those of each file it came from.
func (c *Config) Vaults() (all []*secret.Vaults) {
	eachKey(reflect.ValueOf(c).Elem(), "", func(_ string, v reflect.Value) {
		if s, ok := v.Interface().(secret.Source); ok && s.Vaults() != nil && !slices.Contains(all, s.Vaults()) {
			all = append(all, s.Vaults())
		}
	})
	return all
}

// Platform says how to reach ThingWorx.
type Platform struct {
	URLs   []string      `yaml:"urls"`   // AlwaysOn addresses, ws:// or wss://; required
	AppKey secret.Source `yaml:"appKey"` // required
	// AppKeyName is the key's name on the platform, which is asked when it expires; "": nobody asks.
	AppKeyName string `yaml:"appKeyName"`
	CAFile     string `yaml:"caFile"` // PEM file of extra roots, "" for none
	// CertFile and KeyFile are PEM files of the certificate that the connector shows and its key; "" for none.
	CertFile string `yaml:"certFile"`
	KeyFile  string `yaml:"keyFile"`
}

// Hub is one Azure IoT Hub and the rules for its messages. The hub Thing may have what the file leaves out: WithThing.
type Hub struct {
	Thing string `yaml:"thing"` // the hub Thing; required

	// ConnectionString is the hub's service connection string (HostName, SharedAccessKeyName,
	// SharedAccessKey). Not set: asked of the hub Thing.
	ConnectionString secret.Source `yaml:"connectionString"`
	// HostName is the hub's, if its service side is signed in to with the identity; "" if that is done with ConnectionString,
	// which then is for the redirect to its events alone.
	HostName string `yaml:"hostName"`
	// EventHubsConnectionString overrides the redirect that the hub gives for its events (Endpoint,
	// SharedAccessKeyName, SharedAccessKey, EntityPath). Not set: the redirect is followed.
	EventHubsConnectionString secret.Source `yaml:"eventHubsConnectionString"`

	ConsumerGroup string `yaml:"consumerGroup"` // default azx
	RoutingGroup  string `yaml:"routingGroup"`  // "" (absent in the file): asked of the hub Thing
	Start         Start  `yaml:"start"`         // where to begin without a checkpoint; default earliest
	CAFile        string `yaml:"caFile"`        // PEM file of extra roots for the hub, "" for none

	Transport  dial.Transport `yaml:"transport"` // of AMQP; default auto
	Endpoints  Endpoints      `yaml:"endpoints"`
	Extensions Extensions     `yaml:"extensions"` // default azx

	// AllowThings are globs of the Things this hub may write to; needed with extensions: none.
	AllowThings    []string       `yaml:"allowThings"`
	Receiver       Receiver       `yaml:"receiver"`       // default fast
	OnUnknownThing OnUnknownThing `yaml:"onUnknownThing"` // default keep
	Lifecycle      Lifecycle      `yaml:"lifecycle"`
	// TimeField is a top-level body field with the message's time, "" for none.
	TimeField string `yaml:"timeField"`
	// Retention is how long the hub keeps a message, 1 h to 7 days; default 24 h. The lag is told as a share of it: the
	// endpoint that messages are read from does not tell it.
	Retention time.Duration `yaml:"retention"`

	Bind        Bind          `yaml:"bind"`        // default auto
	Tier        Tier          `yaml:"tier"`        // default standard
	Units       int           `yaml:"units"`       // of the tier, 1 to 200; default 1
	Feedback    Switch        `yaml:"feedback"`    // tell the outcomes of messages to devices; default off
	WriteVia    string        `yaml:"writeVia"`    // how writes reach a device: c2d, desired or method:<name>; default c2d
	WriteWindow time.Duration `yaml:"writeWindow"` // for writes of a Thing to travel together, 1 ms to 1 s; default 20 ms
	Methods     Methods       `yaml:"methods"`
	// MessageTTL is how long the hub keeps a message for a device, 1 s to 48 h; 0 (absent in the file): as the hub is set.
	MessageTTL time.Duration `yaml:"messageTTL"`
	// TwinMaxAge is how old a twin may be that is read, 100 ms to 1 h; default 1 s.
	TwinMaxAge time.Duration `yaml:"twinMaxAge"`
	// Presence says when devices count as absent.
	Presence Presence `yaml:"presence"`

	origins *origins // of the keys that are set; nil for a Hub that was not read
}

// Allows reports whether a glob of AllowThings matches the Thing.
func (h *Hub) Allows(thing string) bool {
	for _, glob := range h.AllowThings {
		if ok, err := path.Match(glob, thing); ok && err == nil {
			return true
		}
	}
	return false
}

// Endpoints are addresses (host:port) to dial instead of the hub's own, also after a redirect; ""
// for the hub's own. The names in certificates and tokens stay the hub's.
type Endpoints struct {
	AMQPS string `yaml:"amqps"`
	HTTPS string `yaml:"https"`
}

// Quarantine says where messages are put aside.
type Quarantine struct {
	Dir string `yaml:"dir"` // required
	// Limit bounds what could not be delivered, in bytes on disk; default 1 GiB. When it is full nothing is read.
	Limit Size `yaml:"limit"`
	// LimitPerReason bounds it for each reason; 0 (absent in the file): Limit alone.
	LimitPerReason Size `yaml:"limitPerReason"`
	// MaxAge is how long a record is kept; older ones are removed and counted. 0 (absent in the file): for ever.
	MaxAge time.Duration `yaml:"maxAge"`
	// PauseAfter is how many messages in a row may be refused for one reason, of ten devices or more and with none delivered
	// between, before reading pauses; default 1000, 0 for any number.
	PauseAfter int `yaml:"pauseAfter"`
}

// Admin is the connector's own HTTP surface.
type Admin struct {
	Listen string `yaml:"listen"` // loopback host:port, port 0 for any; default 127.0.0.1:9464
	Pprof  Switch `yaml:"pprof"`  // profiles of the process at /debug/pprof/; default off
}

// Tracing says where traces go.
type Tracing struct {
	OTLP string `yaml:"otlp"` // address of a collector that takes OTLP over HTTP; "" (absent in the file): none are made
}

// Log is what the connector writes to its log.
type Log struct {
	Level LogLevel `yaml:"level"` // from which lines are written; default info
}

// LogLevel is debug, info, warn or error.
type LogLevel string

// Size is a number of bytes; the file has it as a number or with a unit (KiB, MiB, GiB).
type Size int64

// Start is the position in a partition that has no checkpoint. The zero value is the earliest
// message that the hub still has.
type Start struct {
	Latest bool      // only messages that arrive from now on
	At     time.Time // messages enqueued at or after this time, when it is not zero
}

// String is the start as the file has it.
func (s Start) String() string {
	switch {
	case s.Latest:
		return "latest"
	case s.At.IsZero():
		return "earliest"
	}
	return s.At.Format(time.RFC3339)
}

// ParseStart reads a start as the file has it: earliest, latest or an RFC 3339 time.
func ParseStart(text string) (Start, error) {
	switch text {
	case "earliest":
		return Start{}, nil
	case "latest":
		return Start{Latest: true}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return Start{}, fmt.Errorf("%q: want earliest, latest or a time such as 2026-01-31T12:00:00Z", text)
	}
	return Start{At: at.UTC()}, nil
}

// Extensions says what is installed on the platform.
type Extensions string

// What may be installed on the platform.
const (
	ExtensionsAzx   Extensions = "azx"   // this project's packages
	ExtensionsOther Extensions = "other" // another connector's packages with the same entity names
	ExtensionsNone  Extensions = "none"  // nothing: RemoteThings, matched by allowThings
)

// Receiver says what reads the messages of a hub.
type Receiver string

// What may read them.
const (
	ReceiverSDK  Receiver = "sdk"  // Microsoft's library for Event Hubs
	ReceiverFast Receiver = "fast" // this project's own, over internal/amqp10
)

// OnUnknownThing says what happens to the messages of a device that has no Thing.
type OnUnknownThing string

// What may happen to them.
const (
	UnknownKeep       OnUnknownThing = "keep"       // the last few to quarantine, the rest skipped
	UnknownSkip       OnUnknownThing = "skip"       // skipped and counted
	UnknownQuarantine OnUnknownThing = "quarantine" // all to quarantine
	UnknownCreate     OnUnknownThing = "create"     // the Thing is made, and they wait for it; as keep where that cannot be
)

// defaults returns a Config with every default; a hub's are in Hub.setDefaults.
func defaults() *Config {
	return &Config{
		Name:           defaultName(),
		Admin:          Admin{Listen: "127.0.0.1:9464"},
		Log:            Log{Level: "info"},
		Checkpoint:     Checkpoint{Leases: Leases{Interval: 10 * time.Second, Expiry: 30 * time.Second}},
		Memory:         10 << 20,
		Quarantine:     Quarantine{Limit: 1 << 30, PauseAfter: 1000},
		Lanes:          32,
		Gather:         100 * time.Millisecond,
		RequestTimeout: 30 * time.Second,
	}
}

// setDefaults makes h a Hub with every default of a hub.
func (h *Hub) setDefaults() {
	*h = Hub{
		ConsumerGroup:  "azx",
		Transport:      dial.TransportAuto,
		Extensions:     ExtensionsAzx,
		Receiver:       ReceiverFast,
		OnUnknownThing: UnknownKeep,
		Lifecycle:      Lifecycle{OnCreate: CreatedTell, OnDelete: DeletedTell, OnMoved: MovedRefuse, OnNoDevice: NoDeviceRefuse},
		Retention:      24 * time.Hour,
		Bind:           BindAuto,
		Tier:           TierStandard,
		Units:          1,
		WriteVia:       "c2d",
		WriteWindow:    20 * time.Millisecond,
		Methods:        Methods{ResponseTimeout: 25 * time.Second},
		TwinMaxAge:     time.Second,
	}
}

func defaultName() string {
	host, err := os.Hostname()
	if err != nil || host == "" {
		return "azx"
	}
	return "azx-" + host
}
