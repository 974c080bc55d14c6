package config

import (
	"net/url"

	"azx/internal/access"
	"azx/internal/secret"
)

// Identity is who the connector is for Azure, where a hub, a storage account or a vault is opened without a key. There is
// one for all of them: roles say what it may do where.
type Identity struct {
	Kind IdentityKind `yaml:"kind"` // "" (absent in the file): there is none

	Tenant   string `yaml:"tenant"`   // of a service principal; "" with workload: AZURE_TENANT_ID
	ClientID string `yaml:"clientId"` // of a service principal; "": the system-assigned identity, or AZURE_CLIENT_ID

	ClientSecret secret.Source `yaml:"clientSecret"` // with secret
	CertFile     string        `yaml:"certFile"`     // with certificate: PEM file, with the chain
	KeyFile      string        `yaml:"keyFile"`      // with certificate: PEM file; "" for CertFile
	TokenFile    string        `yaml:"tokenFile"`    // with workload; "": AZURE_FEDERATED_TOKEN_FILE

	Authority string `yaml:"authority"` // where to sign in; "" for the public cloud's
	CAFile    string `yaml:"caFile"`    // PEM file of extra roots for it and for vaults, "" for none
}

// IdentityKind is how the connector proves who it is.
type IdentityKind string

// The kinds of identity.
const (
	IdentityManaged     IdentityKind = "managed"     // of the Azure machine, or of an Arc server
	IdentityWorkload    IdentityKind = "workload"    // by a token of Kubernetes
	IdentitySecret      IdentityKind = "secret"      // a service principal with a client secret
	IdentityCertificate IdentityKind = "certificate" // a service principal with a certificate
)

// checkIdentity asks for what each kind needs, and refuses what another kind has: it would be believed to be used.
func (d *decoder) checkIdentity(i *Identity) {
	if i.Kind == "" {
		if refs := d.vaults.References(); len(refs) > 0 {
			d.report("identity.kind", "missing, and the secret "+refs[0].String()+" is in a vault", "a vault is read with the identity: see docs/identity.md")
		}
		if d.has("identity") {
			d.report("identity.kind", "missing", "managed, workload, secret or certificate")
		}
		return
	}
	principal := i.Kind == IdentitySecret || i.Kind == IdentityCertificate
	d.identityKey("identity.tenant", principal, i.Kind != IdentityManaged)
	d.identityKey("identity.clientId", principal, true)
	d.identityKey("identity.clientSecret", i.Kind == IdentitySecret, i.Kind == IdentitySecret)
	d.identityKey("identity.certFile", i.Kind == IdentityCertificate, i.Kind == IdentityCertificate)
	d.identityKey("identity.keyFile", false, i.Kind == IdentityCertificate)
	d.identityKey("identity.tokenFile", false, i.Kind == IdentityWorkload)
	d.identityKey("identity.authority", false, i.Kind != IdentityManaged)
	for at, text := range map[string]string{"identity.tenant": i.Tenant, "identity.clientId": i.ClientID, "identity.tokenFile": i.TokenFile} {
		if d.has(at) {
			d.text(at, text)
		}
	}
	d.notInVault("identity.clientSecret", i.ClientSecret)
	d.credential("identity.clientSecret", i.ClientSecret)
	d.certificates("identity.caFile", &i.CAFile)
	if i.TokenFile != "" {
		i.TokenFile = d.resolve(i.TokenFile)
	}
	if i.CertFile != "" {
		if i.KeyFile == "" {
			i.KeyFile = i.CertFile
		}
		d.ownCertificate("identity.", &i.CertFile, &i.KeyFile)
	}
	if u, err := url.Parse(i.Authority); i.Authority != "" && (err != nil || u.Scheme != "https" || u.Hostname() == "" || u.User != nil) {
		d.report("identity.authority", "not an https:// address", "such as https://login.microsoftonline.us; without it, the public cloud's")
	}
}

// identityKey reports a key that is missing, or that the kind does not use.
func (d *decoder) identityKey(at string, needed, used bool) {
	switch {
	case needed && !d.has(at):
		d.report(at, "missing with this kind of identity", "see docs/identity.md")
	case !used && d.has(at):
		d.report(at, "is not used with this kind of identity", "leave it out, or set another kind")
	}
}

// notInVault refuses what is needed to get to a vault.
func (d *decoder) notInVault(at string, s secret.Source) bool {
	if s.Vaults() != nil {
		d.report(at, "cannot be in a vault: it is needed to get there", "put it into a file, or into a variable")
	}
	return s.Vaults() != nil
}

// checkHostName checks a hub that is signed in to with the identity.
func (d *decoder) checkHostName(cfg *Config, h *Hub, at string) {
	if h.HostName == "" {
		return
	}
	if !access.ValidHost(h.HostName) {
		d.report(at+".hostName", "is no host name", "it looks like plant1.azure-devices.net")
	}
	if cfg.Identity.Kind == "" {
		d.report(at+".hostName", "is signed in to with the identity, and there is none", "set identity.kind, or connectionString instead of hostName")
	}
	if place, ok := placeOf(h.ConnectionString); ok && place["HostName"] != h.HostName {
		d.report(at+".hostName", "is another hub than that of connectionString", "name the same one, or leave connectionString out")
	}
	if h.Extensions != ExtensionsAzx && !h.ConnectionString.IsSet() && !h.EventHubsConnectionString.IsSet() {
		d.report(at+".eventHubsConnectionString", "missing, and Azure takes only keys where messages are read", HintEventKey)
	}
}

// HintEventKey says how to get the one key that no identity replaces, with the least rights that Azure has for it.
const HintEventKey = "make a policy with ServiceConnect alone: az iot hub policy create --hub-name HUB --name events --permissions ServiceConnect, " +
	"and take its Event Hubs string: az iot hub connection-string show --hub-name HUB --policy-name events --default-eventhub"

// HasService reports whether something leads to the hub's service side: a connection string, or the identity.
func (h *Hub) HasService() bool { return h.ConnectionString.IsSet() || h.HostName != "" }
