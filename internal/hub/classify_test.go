package hub

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"
	"github.com/Azure/go-amqp"

	"azx/internal/fault"
)

func said(condition amqp.ErrCond, description string) error {
	return &amqp.LinkError{RemoteErr: &amqp.Error{Condition: condition, Description: description}}
}

// refused is an error of a management request, which azeventhubs keeps to itself.
type refused int

func (r refused) Error() string { return fmt.Sprint("refused with ", int(r)) }
func (r refused) RPCCode() int  { return int(r) }

func TestErrorsAreClassed(t *testing.T) {
	hidden := func(err error) error { // azeventhubs' own error, which does not unwrap
		return fmt.Errorf("(connlost): %s", err)
	}
	tests := map[string]struct {
		err   error
		class fault.Class
		is    error
		hint  string
	}{
		"a stop":                             {context.Canceled, fault.Transient, context.Canceled, ""},
		"no answer in time":                  {context.DeadlineExceeded, fault.Transient, context.DeadlineExceeded, "5671"},
		"a refused password":                 {errors.New("SASL PLAIN auth failed with code 0x1: "), fault.Credential, nil, "ServiceConnect"},
		"a right that is missing":            {said(amqp.ErrCondUnauthorizedAccess, ""), fault.Credential, nil, `"reader"`},
		"a right that is missing, hidden":    {hidden(said(amqp.ErrCondUnauthorizedAccess, "x")), fault.Credential, nil, "ServiceConnect"},
		"a refused token":                    {refused(401), fault.Credential, nil, "ServiceConnect"},
		"the client's own word for it":       {&azeventhubs.Error{Code: azeventhubs.ErrorCodeUnauthorizedAccess}, fault.Credential, nil, "ServiceConnect"},
		"a stolen link":                      {said(amqp.ErrCondStolen, ""), fault.Transient, ErrStolen, "consumer group"},
		"a stolen link, in the client's own": {&azeventhubs.Error{Code: azeventhubs.ErrorCodeOwnershipLost}, fault.Transient, ErrStolen, "consumer group"},
		"an event hub that is gone":          {said(amqp.ErrCondNotFound, ""), fault.Transient, ErrNotFound, ""},
		"an event hub that is gone, hidden":  {hidden(said(amqp.ErrCondNotFound, "")), fault.Transient, ErrNotFound, ""},
		"a management request for one":       {refused(404), fault.Transient, ErrNotFound, ""},
		"an unknown offset":                  {said(condGeoOffset, ""), fault.Transient, ErrOffset, "time of the checkpoint"},
		"an offset beyond the end":           {said(condArgument, "The supplied offset '9' is invalid."), fault.Transient, ErrOffset, "time of the checkpoint"},
		"another bad argument":               {said(condArgument, "epoch"), fault.Transient, nil, ""},
		"too many readers":                   {said(amqp.ErrCondResourceLimitExceeded, ""), fault.Transient, nil, "consumer group"},
		"a link that the hub moved":          {said(amqp.ErrCondDetachForced, ""), fault.Transient, nil, ""},
		"an unknown name": {&net.OpError{Op: "dial", Err: &net.DNSError{Name: "x", IsNotFound: true}},
			fault.Transient, nil, "HostName"},
		"a refused connection": {&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, fault.Transient, syscall.ECONNREFUSED, "5671"},
		"an unknown authority": {&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}, fault.Credential, nil, "caFile"},
		"an unknown authority, hidden": {hidden(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}}),
			fault.Credential, nil, "caFile"},
		"another server's certificate": {&tls.CertificateVerificationError{Err: x509.HostnameError{Certificate: &x509.Certificate{}, Host: "h"}},
			fault.Credential, nil, "endpoints.amqps"},
		"an expired certificate": {&tls.CertificateVerificationError{Err: x509.CertificateInvalidError{Reason: x509.Expired}},
			fault.Credential, nil, "clock"},
		"a port without TLS": {tls.RecordHeaderError{Msg: "first record does not look like a TLS handshake"},
			fault.Credential, nil, "endpoints.amqps"},
		"anything else": {errors.New("strange"), fault.Transient, nil, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := classify("do it", "reader", test.err)
			if got := fault.ClassOf(err); got != test.class {
				t.Errorf("%v is %v, want %v", err, got, test.class)
			}
			if test.is != nil && !errors.Is(err, test.is) {
				t.Errorf("%v is not %v", err, test.is)
			}
			if got := fault.HintOf(err); !strings.Contains(got, test.hint) || test.hint == "" && got != "" {
				t.Errorf("hint %q, want %q", got, test.hint)
			}
			if !strings.HasPrefix(err.Error(), "do it: ") {
				t.Errorf("got %q", err)
			}
		})
	}
}
