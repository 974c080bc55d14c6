package entra

import (
	"bytes"
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"azx/internal/secret"
)

const (
	maxFile  = 256 << 10 // bytes of a certificate or a key
	retries  = 2         // who asks for a token tries again himself
	retryMin = 500 * time.Millisecond
	retryMax = 5 * time.Second
)

// material is what an identity proves itself with. Managed and Workload have none here: the library reads theirs.
type material struct {
	secret secret.Secret
	pem    []byte // certificates and key
}

func (m material) digest() [sha256.Size]byte {
	return sha256.Sum256(append([]byte(m.secret.Reveal()+"\x00"), m.pem...))
}

// read reads the material as it is now.
func (o Options) read() (m material, err error) {
	switch o.Kind {
	case Managed, Workload:
		return m, nil
	case Secret:
		text, err := o.ClientSecret.Value()
		m.secret = secret.New(text)
		return m, err
	case Certificate:
		if m.pem, err = readFile(o.CertFile); err == nil && o.KeyFile != "" && o.KeyFile != o.CertFile {
			var key []byte
			key, err = readFile(o.KeyFile)
			m.pem = append(append(certificatesOf(m.pem), '\n'), key...)
		}
		return m, err
	}
	return m, errKind
}

// certificatesOf leaves out a key that the file with the certificates has, too.
func certificatesOf(text []byte) []byte {
	var out bytes.Buffer
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			_ = pem.Encode(&out, block) // into memory
		}
	}
	return out.Bytes()
}

func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s is larger than %d KiB", path, maxFile>>10)
	}
	return text, err
}

// login is a credential of the library, made of one state of the files. It keeps tokens in memory.
type login struct {
	azcore.TokenCredential
	digest [sha256.Size]byte
	secret secret.Secret // what must not occur in an error
}

func (c *Credential) login(m material) (l *login, err error) {
	l = &login{digest: m.digest(), secret: m.secret}
	options := c.clientOptions()
	private := c.o.Authority != "" // the library's own list of clouds does not know it
	switch c.o.Kind {
	case Managed:
		managed := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: azcore.ClientOptions{Transport: c.http}}
		if c.o.ClientID != "" {
			managed.ID = azidentity.ClientID(c.o.ClientID)
		}
		l.TokenCredential, err = azidentity.NewManagedIdentityCredential(managed)
	case Workload:
		l.TokenCredential, err = azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{
			ClientOptions: options, ClientID: c.o.ClientID, TenantID: c.o.Tenant, TokenFilePath: c.o.TokenFile, DisableInstanceDiscovery: private,
		})
	case Secret:
		l.TokenCredential, err = azidentity.NewClientSecretCredential(c.o.Tenant, c.o.ClientID, m.secret.Reveal(),
			&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: private})
	case Certificate:
		certs, key, parsed := azidentity.ParseCertificates(m.pem, nil)
		if parsed != nil || len(certs) == 0 {
			return nil, errors.New("certFile and keyFile are no certificate with its key in PEM")
		}
		l.TokenCredential, err = azidentity.NewClientCertificateCredential(c.o.Tenant, c.o.ClientID, certs, key,
			&azidentity.ClientCertificateCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: private, SendCertificateChain: true})
	default:
		err = errKind
	}
	return l, err
}

func (c *Credential) clientOptions() azcore.ClientOptions {
	return azcore.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: c.o.Authority},
		Transport: watched{c.http},
		Retry:     policy.RetryOptions{MaxRetries: retries, RetryDelay: retryMin, MaxRetryDelay: retryMax},
		Telemetry: policy.TelemetryOptions{ApplicationID: "azx"},
	}
}

// hop is what went wrong on the way, if no answer came: the library keeps only its text.
type hop struct{ err error }

type hopKey struct{}

// watched notes the error of the last try of a request in its context's hop.
type watched struct{ client *http.Client }

// Do is policy.Transporter's.
func (w watched) Do(r *http.Request) (*http.Response, error) {
	answer, err := w.client.Do(r)
	if h, ok := r.Context().Value(hopKey{}).(*hop); ok {
		h.err = err
	}
	return answer, err
}
