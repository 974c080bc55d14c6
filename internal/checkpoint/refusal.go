package checkpoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"

	"azx/internal/fault"
)

// errNoContainer is a container that is not there, not yet, or not any more.
var errNoContainer = errors.New("the container is not there")

// problem says what an error of the service means. The library's own text is left out: it may have a SAS in it.
func (b *blobs) problem(verb, name string, client *container.Client, err error) error {
	at, _ := url.Parse(client.URL()) // Container.client has looked at it
	p := &fault.Problem{Op: fmt.Sprintf("%s blob %s of container %s at %s", verb, name, b.container.Name, at.Host)}
	var refused *azcore.ResponseError
	if errors.As(err, &refused) {
		p.Class, p.Cause, p.Hint = refusal(refused)
		return p
	}
	var inner *fault.Problem
	var sent *url.Error
	switch {
	case errors.As(err, &inner): // a proxy's, a file's with roots, a source's of tokens
		p.Class, p.Cause, p.Hint = inner.Class, inner, inner.Hint
	case fault.IsCertificate(err):
		p.Class, p.Cause, p.Hint = fault.Credential, cause(err), fault.CertificateHint(err, "checkpoint.blob", "caFile")
	case errors.Is(err, context.DeadlineExceeded):
		p.Cause, p.Hint = fmt.Errorf("no answer within %s: %w", callWithin, context.DeadlineExceeded), hintReach
	case errors.As(err, &sent):
		p.Cause, p.Hint = cause(err), hintReach
	case isAuthentication(err):
		said, _, _ := strings.Cut(err.Error(), "\n") // pages may follow
		p.Class, p.Cause, p.Hint = fault.Credential, fmt.Errorf("there is no token of Microsoft Entra for it: %.300s", said),
			"may this machine's identity sign in?"
	default:
		p.Cause = err
	}
	return p
}

const hintReach = "is the storage account reachable from here at port 443? see proxy, and the account's network rules"

// cause takes the address off an error of net/http: it has the SAS.
func cause(err error) error {
	var sent *url.Error
	if errors.As(err, &sent) {
		return sent.Err
	}
	return err
}

// isAuthentication reports whether a source of tokens gave none.
func isAuthentication(err error) bool {
	var refused interface{ NonRetriable() }
	return errors.As(err, &refused)
}

// refusal classes an answer of the service.
func refusal(r *azcore.ResponseError) (fault.Class, error, string) {
	said := fmt.Errorf("%d %s", r.StatusCode, cmp.Or(r.ErrorCode, http.StatusText(r.StatusCode)))
	switch bloberror.Code(r.ErrorCode) {
	case bloberror.ContainerNotFound, bloberror.ContainerBeingDeleted, bloberror.ContainerDisabled:
		return fault.Transient, fmt.Errorf("%w (%w)", errNoContainer, said),
			"create it: az storage container create --name NAME --account-name ACCOUNT"
	case bloberror.AuthorizationPermissionMismatch, bloberror.InsufficientAccountPermissions, bloberror.AuthorizationResourceTypeMismatch:
		return fault.Credential, said, "assign the role Storage Blob Data Contributor on the container to this identity; " +
			"a SAS has to allow to read, create, write, delete and list"
	case bloberror.AuthorizationFailure, bloberror.AuthorizationSourceIPMismatch:
		return fault.Credential, said, "the account's network rules may not let this machine in; " +
			"a SAS has to allow to read, create, write, delete and list"
	case "KeyBasedAuthenticationNotPermitted":
		return fault.Credential, said, "the account allows no keys: set url, and assign the role Storage Blob Data Contributor to this identity"
	case bloberror.BlobImmutableDueToPolicy:
		return fault.Credential, said, "the container has an immutability policy: use one without"
	case bloberror.LeaseIDMissing:
		return fault.Credential, said, "something holds a lease on the blob: break it, or let it end"
	}
	switch r.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		return fault.Credential, said, "has the key or the SAS been replaced or expired, and is the clock of this machine right? " +
			"an identity needs the role Storage Blob Data Contributor"
	case http.StatusTooManyRequests, http.StatusServiceUnavailable, http.StatusInternalServerError:
		return fault.Transient, said, "the storage account is busy; it is tried again"
	case http.StatusNotFound:
		return fault.Transient, said, "is checkpoint.blob the address of a storage account's blobs?"
	}
	return fault.Transient, said, ""
}
