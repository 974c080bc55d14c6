package config

import (
	"strings"
	"time"

	"azx/internal/secret"
)

// Checkpoint says where checkpoints are kept.
type Checkpoint struct {
	File   string `yaml:"file"` // folder of the file store; this, or a container
	Blob   Blob   `yaml:"blob"` // container of the blob store, which several connectors may share
	Leases Leases `yaml:"leases"`
}

// Blob names a container of Azure Blob Storage: its account by one of the first two.
type Blob struct {
	ConnectionString secret.Source `yaml:"connectionString"` // of the storage account
	URL              secret.Source `yaml:"url"`              // of the storage account; with a SAS, or the identity signs in
	Container        string        `yaml:"container"`
	CAFile           string        `yaml:"caFile"` // extra roots, PEM; "" for the system's
}

// IsSet reports whether checkpoints are in a container.
func (b *Blob) IsSet() bool { return b.Container != "" }

// Leases say how connectors that share a container share the partitions. They are the same for all of them.
type Leases struct {
	Interval time.Duration `yaml:"interval"` // between two renewals, default 10 s
	Expiry   time.Duration `yaml:"expiry"`   // of a lease that is not renewed, default 30 s
}

// isContainerName reports whether Azure takes a name for a container.
func isContainerName(name string) bool {
	const taken = "abcdefghijklmnopqrstuvwxyz0123456789-"
	return 3 <= len(name) && len(name) <= 63 && strings.Trim(name, taken) == "" && !strings.Contains("-"+name+"-", "--")
}

// checkCheckpoint checks where checkpoints are kept: in a folder or in a container, never both.
func (d *decoder) checkCheckpoint(cfg *Config) {
	c := &cfg.Checkpoint
	const both = "name either checkpoint.file or checkpoint.blob"
	switch {
	case !d.has("checkpoint.blob") && !d.has("checkpoint.file"):
		d.report("checkpoint", "names no place for checkpoints", "a folder, such as file: /var/lib/azx/checkpoints, or a container, as blob")
	case !d.has("checkpoint.blob"):
		d.folder("checkpoint.file", &c.File, "name a folder for checkpoints, such as /var/lib/azx/checkpoints")
	case d.has("checkpoint.file"):
		d.report("checkpoint.file", "checkpoints are in a container already", both)
	default:
		d.checkBlob(&c.Blob, cfg.Identity.Kind != "")
	}
	d.within("checkpoint.leases.interval", "checkpoint.leases.interval", int64(c.Leases.Interval))
	d.within("checkpoint.leases.expiry", "checkpoint.leases.expiry", int64(c.Leases.Expiry))
	// A lease is not believed in its last 2 s, and two renewals have to fit before that.
	if least := max(3*c.Leases.Interval, 2*c.Leases.Interval+2*time.Second); c.Leases.Expiry < least {
		d.report("checkpoint.leases.expiry", "leaves no time to try a renewal again", "with this interval at least "+least.String())
	}
}

func (d *decoder) checkBlob(b *Blob, identity bool) {
	const at = "checkpoint.blob."
	if !isContainerName(b.Container) {
		d.report(at+"container", "not a container's name", "3 to 63 lower-case letters, digits and single hyphens")
	}
	switch {
	case b.ConnectionString.IsSet() == b.URL.IsSet():
		d.report("checkpoint.blob", "its account is not named once", "set either connectionString or url")
	case b.ConnectionString.IsSet():
		if text, ok := d.credential(at+"connectionString", b.ConnectionString); ok {
			d.connection(at+"connectionString", text)
		}
	case !b.URL.IsPlain():
		d.credential(at+"url", b.URL)
	default:
		text, err := b.URL.Value()
		switch signed := strings.Contains(text, "sig="); {
		case err != nil:
			d.report(at+"url", err.Error(), "")
		case signed:
			d.credential(at+"url", b.URL)
		case !identity:
			d.report(at+"url", "has no signature, and there is no identity", "append a SAS, or set identity: see docs/identity.md")
		}
	}
	d.certificates(at+"caFile", &b.CAFile)
}
