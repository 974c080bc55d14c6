package config

import (
	"time"

	"azx/internal/dial"
	"azx/internal/secret"
)

// kind is what the file may have for a value of a type: what the decoder takes, what errors ask for, and what the schema
// says.
type kind struct {
	want    string   // for people
	tags    []string // of YAML; nil for text alone
	choices []string // all that there are; nil for any text
	pattern string   // that text has to match, in the schema; "" for any
}

// kindOf is the kind of what target points at.
func kindOf(target any) kind {
	switch target.(type) {
	case *int:
		return kind{want: "a whole number", tags: []string{"!!int"}}
	case *Size:
		return kind{want: "a size such as 64MiB", tags: []string{"!!int", "!!str"}, pattern: `^([0-9]{1,11}|[0-9]{1,8} *KiB|[0-9]{1,5} *MiB|[0-9]{1,2} *GiB)$`}
	case *time.Duration:
		return kind{want: "a duration such as 30s", pattern: `^[+-]?([0-9]*(\.[0-9]*)?(ns|us|µs|μs|ms|s|m|h))+$|^[+-]?0$`}
	case *Start:
		return kind{
			want: "earliest, latest or a time such as 2026-01-31T12:00:00Z", tags: []string{"!!timestamp", "!!str"},
			pattern: `^(earliest|latest|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.,][0-9]+)?(Z|[+-][0-9]{2}:[0-9]{2}))$`,
		}
	case *Extensions:
		return kind{want: "azx, other or none", choices: []string{string(ExtensionsAzx), string(ExtensionsOther), string(ExtensionsNone)}}
	case *dial.Transport:
		return kind{want: "amqp, websocket or auto", choices: []string{string(dial.TransportAMQP), string(dial.TransportWebSocket), string(dial.TransportAuto)}}
	case *Receiver:
		return kind{want: "sdk or fast", choices: []string{string(ReceiverSDK), string(ReceiverFast)}}
	case *OnUnknownThing:
		return kind{want: "keep, skip, quarantine or create", choices: []string{string(UnknownKeep), string(UnknownSkip), string(UnknownQuarantine), string(UnknownCreate)}}
	case *OnCreate:
		return kind{want: "tell or create", choices: []string{string(CreatedTell), string(CreatedCreate)}}
	case *OnDelete:
		return kind{want: "tell or disable", choices: []string{string(DeletedTell), string(DeletedDisable)}}
	case *OnMoved:
		return kind{want: "refuse or adopt", choices: []string{string(MovedRefuse), string(MovedAdopt)}}
	case *OnNoDevice:
		return kind{want: "refuse or create", choices: []string{string(NoDeviceRefuse), string(NoDeviceCreate)}}
	case *IdentityKind:
		return kind{
			want:    "managed, workload, secret or certificate",
			choices: []string{string(IdentityManaged), string(IdentityWorkload), string(IdentitySecret), string(IdentityCertificate)},
		}
	case *Bind:
		return kind{want: "auto, group or devices", choices: []string{string(BindAuto), string(BindGroup), string(BindDevices)}}
	case *Tier:
		return kind{
			want:    "standard, basic or an edition: F1, B1 to B3, S1 to S3",
			choices: []string{"standard", "basic", "F1", "B1", "B2", "B3", "S1", "S2", "S3"},
		}
	case *LogLevel:
		return kind{want: "debug, info, warn or error", choices: []string{"debug", "info", "warn", "error"}}
	case *Switch:
		return kind{want: "on or off", choices: []string{"on", "off"}}
	case *secret.Source:
		return kind{want: "text, " + secret.Forms}
	}
	return kind{want: "text"}
}
