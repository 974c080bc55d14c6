package checkpoint_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"azx/internal/checkpoint"
	"azx/internal/checkpoint/blobtest"
	"azx/internal/checkpoint/storetest"
	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/secret"
)

const log = "ihsuprod.servicebus.windows.net/iothub-ehub-plant1-1/azx/"

func containerOf(service *blobtest.Service) checkpoint.Container {
	return checkpoint.Container{Name: blobtest.Container, ConnectionString: secret.Literal(service.ConnectionString())}
}

func openBlob(t *testing.T, service *blobtest.Service, opts ...checkpoint.Option) *checkpoint.Blob {
	t.Helper()
	b, err := tryBlob(t, service, plant, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func tryBlob(t *testing.T, service *blobtest.Service, i checkpoint.Identity, opts ...checkpoint.Option) (*checkpoint.Blob, error) {
	b, err := checkpoint.OpenBlob(t.Context(), containerOf(service), i, "Plant1Hub", opts...)
	if err == nil {
		t.Cleanup(func() { _ = b.Close() })
	}
	return b, err
}

// expectProblem checks class and words of an error and its hint, and that no credential is among them.
func expectProblem(t *testing.T, err error, class fault.Class, words ...string) {
	t.Helper()
	if err == nil || fault.ClassOf(err) != class {
		t.Fatalf("got %v, class %v, want %v", err, fault.ClassOf(err), class)
	}
	said := err.Error() + " " + fault.HintOf(err)
	for _, w := range words {
		if !strings.Contains(said, w) {
			t.Errorf("%q does not say %q", said, w)
		}
	}
	for _, canary := range []string{"canary", "Y2FuYXJ5"} {
		if strings.Contains(fmt.Sprintf("%+v %s", err, said), canary) {
			t.Errorf("%q shows a credential", said)
		}
	}
}

func TestTheLayoutIsThatOfAzuresSDKs(t *testing.T) {
	service := blobtest.Start(t)
	shouting := plant
	shouting.EventHub, shouting.Group = strings.ToUpper(plant.EventHub), "AZX"
	b, err := tryBlob(t, service, shouting)
	if err != nil {
		t.Fatal(err)
	}
	storetest.Save(t, b, "0", 5)
	if _, _, err := b.Claim(t.Context(), delivery.Ownership{Partition: "0", Owner: "azx-1"}); err != nil {
		t.Fatal(err)
	}
	got := service.Blobs()
	for name, want := range map[string]map[string]string{
		log + "checkpoint/0": {"sequencenumber": "5", "offset": "500", "enqueued": "2026-11-22T20:00:00.000000005Z"},
		log + "ownership/0":  {"ownerid": "azx-1"},
		"azx/Plant1Hub": {"hub": plant.Hub, "endpoint": plant.Endpoint, "eventhub": shouting.EventHub,
			"consumergroup": shouting.Group},
	} {
		if fmt.Sprint(got[name]) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, want %v", name, got[name], want)
		}
	}
	if len(got) != 3 {
		t.Errorf("got %v", got)
	}
}

func TestAnIdentityWithoutCheckpointsIsRefusedBesideAnotherInBlobs(t *testing.T) {
	service := blobtest.Start(t)
	storetest.Save(t, openBlob(t, service), "0", 5)
	other := plant
	other.EventHub = "iothub-ehub-plant1-2"
	_, err := tryBlob(t, service, other)
	expectProblem(t, err, fault.Fatal, "iothub-ehub-plant1-1", "iothub-ehub-plant1-2", "--start", "azx checkpoint copy")
	openBlob(t, service) // the refusal has changed nothing
	b, err := tryBlob(t, service, other, checkpoint.AllowNewIdentity())
	if err != nil {
		t.Fatal(err)
	}
	storetest.Save(t, b, "0", 1)
	storetest.Expect(t, openBlob(t, service), "0", 5)
	b, err = tryBlob(t, service, other)
	if err != nil {
		t.Fatal(err)
	}
	storetest.Expect(t, b, "0", 1)
}

func TestAContainerThatIsNotThereIsRefusedAtTheStart(t *testing.T) {
	service := blobtest.Start(t)
	service.RemoveContainer()
	_, err := tryBlob(t, service, plant)
	expectProblem(t, err, fault.Fatal, "container "+blobtest.Container, "ContainerNotFound", "az storage container create")
}

func TestAContainerThatWasEmptiedIsWrittenAnewAndIsNoBeginning(t *testing.T) {
	service := blobtest.Start(t)
	b := openBlob(t, service)
	storetest.Save(t, b, "0", 5)
	service.RemoveContainer()
	expectProblem(t, b.Save(t.Context(), "0", storetest.At(6)), fault.Transient, log+"checkpoint/0", "ContainerNotFound")
	_, _, err := b.Load(t.Context(), "0")
	expectProblem(t, err, fault.Transient, log+"checkpoint/0", "ContainerNotFound")
	service.AddContainer()
	storetest.Expect(t, b, "0", 5) // it is known here
	_, _, err = b.Load(t.Context(), "1")
	expectProblem(t, err, fault.Transient, "azx/Plant1Hub", "emptied", "partition 1", "--start")
	storetest.Save(t, b, "0", 6)
	storetest.Expect(t, b, "0", 6)
	if service.Blobs()[log+"checkpoint/0"]["sequencenumber"] != "6" {
		t.Errorf("got %v", service.Blobs())
	}
}

func TestACheckpointThatIsNoneIsRefusedByName(t *testing.T) {
	for name, metadata := range map[string]map[string]string{
		"no metadata":         {},
		"no number":           {"sequencenumber": "five", "offset": "500"},
		"a number below zero": {"sequencenumber": "-1", "offset": "500"},
		"no offset":           {"sequencenumber": "5"},
		"no time":             {"sequencenumber": "5", "offset": "500", "enqueued": "yesterday"},
	} {
		t.Run(name, func(t *testing.T) {
			service := blobtest.Start(t)
			service.Put(log+"checkpoint/1", metadata, "")
			_, err := tryBlob(t, service, plant)
			expectProblem(t, err, fault.Fatal, log+"checkpoint/1", "azx checkpoint clear")
			service.Remove(log + "checkpoint/1")
			b := openBlob(t, service)
			service.Put(log+"checkpoint/1", metadata, "")
			_, _, err = b.Load(t.Context(), "1")
			expectProblem(t, err, fault.Transient, log+"checkpoint/1", "azx checkpoint clear")
			expectProblem(t, b.Save(t.Context(), "1", storetest.At(1)), fault.Transient, log+"checkpoint/1")
		})
	}
}

func TestAnOwnershipThatIsNoneOrWasRemovedIsClaimedAnew(t *testing.T) {
	service := blobtest.Start(t)
	b := openBlob(t, service)
	service.Put(log+"ownership/0", map[string]string{"other": "x"}, "text")
	service.Put(log+"ownership/folder", nil, "")
	list, _, err := b.Ownerships(t.Context())
	if err != nil || len(list) != 1 || list[0].Owner != "" {
		t.Fatalf("got %+v, %v", list, err)
	}
	list[0].Owner = "azx-1"
	mine, ok, err := b.Claim(t.Context(), list[0])
	if err != nil || !ok {
		t.Fatalf("got %v, %v", ok, err)
	}
	service.Remove(log + "ownership/0")
	if _, ok, err := b.Claim(t.Context(), mine); ok || err != nil {
		t.Errorf("what is gone is renewed: %v, %v", ok, err)
	}
	if _, ok, err := b.Claim(t.Context(), delivery.Ownership{Partition: "0", Owner: "azx-1"}); !ok || err != nil {
		t.Errorf("got %v, %v", ok, err)
	}
}

func TestAWriteWhoseAnswerWasLostIsKnownWhenItIsTriedAgain(t *testing.T) {
	service := blobtest.Start(t)
	b := openBlob(t, service)
	service.LoseAnswers(true)
	mine := delivery.Ownership{Partition: "0", Owner: "azx-1"}
	if _, _, err := b.Claim(t.Context(), mine); fault.ClassOf(err) != fault.Transient || err == nil {
		t.Errorf("got %v", err)
	}
	if err := b.Save(t.Context(), "0", storetest.At(5)); fault.ClassOf(err) != fault.Transient || err == nil {
		t.Errorf("got %v", err)
	}
	service.LoseAnswers(false)
	if got, ok, err := b.Claim(t.Context(), mine); !ok || err != nil || got.Owner != "azx-1" || got.Version == "" {
		t.Errorf("got %+v, %v, %v", got, ok, err)
	}
	mine.Owner = "azx-2"
	if _, ok, err := b.Claim(t.Context(), mine); ok || err != nil {
		t.Errorf("another one has it: %v, %v", ok, err)
	}
	storetest.Save(t, b, "0", 5)
	storetest.Save(t, b, "0", 6)
}

func TestAgesAreByTheClockOfTheService(t *testing.T) {
	for _, skew := range []time.Duration{-2 * time.Hour, -2 * time.Minute, 2 * time.Minute, 2 * time.Hour} {
		service := blobtest.Start(t)
		service.Skew(skew)
		b := openBlob(t, service)
		if _, _, err := b.Claim(t.Context(), delivery.Ownership{Partition: "0", Owner: "azx-1"}); err != nil {
			t.Fatal(err)
		}
		list, now, err := b.Ownerships(t.Context())
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		if age := now.Sub(list[0].Renewed); age < 0 || age > 10*time.Second {
			t.Errorf("with a clock off by %s a new record is %s old", skew, age)
		}
		service.Skew(skew + time.Hour) // it jumps
		if _, now, err = b.Ownerships(t.Context()); err != nil || now.Sub(list[0].Renewed) < time.Hour {
			t.Errorf("after the jump it is %s old, %v", now.Sub(list[0].Renewed), err)
		}
	}
}

func TestEachRefusalHasItsClassAndHint(t *testing.T) {
	service := blobtest.Start(t)
	b := openBlob(t, service)
	for _, c := range []struct {
		status int
		code   string
		class  fault.Class
		hint   string
	}{
		{403, "AuthorizationPermissionMismatch", fault.Credential, "Storage Blob Data Contributor"},
		{403, "AuthorizationFailure", fault.Credential, "network rules"},
		{403, "KeyBasedAuthenticationNotPermitted", fault.Credential, "set url"},
		{403, "AuthenticationFailed", fault.Credential, "clock of this machine"},
		{401, "InvalidAuthenticationInfo", fault.Credential, "replaced or expired"},
		{409, "BlobImmutableDueToPolicy", fault.Credential, "immutability policy"},
		{412, "LeaseIdMissing", fault.Credential, "lease on the blob"},
		{404, "ContainerNotFound", fault.Transient, "az storage container create"},
		{409, "ContainerBeingDeleted", fault.Transient, "az storage container create"},
		{404, "", fault.Transient, "address of a storage account"},
		{429, "TooManyRequests", fault.Transient, "busy"},
		{500, "InternalError", fault.Transient, "busy"},
		{503, "ServerBusy", fault.Transient, "busy"},
		{301, "", fault.Transient, ""},
	} {
		service.Refuse(func(*http.Request) (int, string) { return c.status, c.code })
		_, found, loading := b.Load(t.Context(), "0")
		_, _, listing := b.Ownerships(t.Context())
		_, _, claiming := b.Claim(t.Context(), delivery.Ownership{Partition: "0", Owner: "azx-1"})
		if found {
			t.Error("there is a checkpoint")
		}
		for _, err := range []error{loading, listing, claiming, b.Save(t.Context(), "0", storetest.At(5))} {
			expectProblem(t, err, c.class, fmt.Sprint(c.status), c.code, c.hint, log, blobtest.Container)
		}
	}
}

func TestAnAccountThatCannotBeReachedIsNamedWithoutItsCredentials(t *testing.T) {
	service := blobtest.Start(t)
	c := checkpoint.Container{Name: blobtest.Container, URL: secret.Literal(service.URL())}
	b, err := checkpoint.OpenBlob(t.Context(), c, plant, "Plant1Hub")
	if err != nil {
		t.Fatal(err)
	}
	service.Close()
	_, _, err = b.Load(t.Context(), "0")
	expectProblem(t, err, fault.Transient, log+"checkpoint/0", "127.0.0.1", "reachable")
}

// token is a source of tokens.
type token struct{ err error }

func (s token) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "canary-of-a-token", ExpiresOn: time.Now().Add(time.Hour)}, s.err
}

func TestATokenGoesOverTLSThatIsChecked(t *testing.T) {
	service, server := blobtest.StartTLS(t)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	c := checkpoint.Container{Name: blobtest.Container, URL: secret.Literal(server.URL), Credential: token{}}
	_, err := checkpoint.OpenBlob(t.Context(), c, plant, "Plant1Hub")
	expectProblem(t, err, fault.Credential, "certificate", "caFile")
	c.TLS = func() (*tls.Config, error) { return &tls.Config{RootCAs: roots}, nil }
	b, err := checkpoint.OpenBlob(t.Context(), c, plant, "Plant1Hub")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	storetest.Save(t, b, "0", 5)
	service.Refuse(func(r *http.Request) (int, string) {
		if r.Header.Get("Authorization") != "Bearer canary-of-a-token" {
			t.Error("the token is not sent")
		}
		return http.StatusForbidden, "AuthorizationPermissionMismatch"
	})
	_, _, err = b.Load(t.Context(), "0")
	expectProblem(t, err, fault.Credential, "Storage Blob Data Contributor")
	c.Credential = token{errors.New("no identity here")}
	_, err = checkpoint.OpenBlob(t.Context(), c, plant, "Plant1Hub")
	expectProblem(t, err, fault.Credential, "no identity here")
}

func TestACredentialMayBeReplacedWhileTheStoreIsOpen(t *testing.T) {
	service := blobtest.Start(t)
	t.Setenv("AZX_TEST_BLOB", service.ConnectionString())
	source, err := secret.Parse("${env:AZX_TEST_BLOB}", "")
	if err != nil {
		t.Fatal(err)
	}
	b, err := checkpoint.OpenBlob(t.Context(), checkpoint.Container{Name: blobtest.Container, ConnectionString: source}, plant, "Plant1Hub")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	var first, second string
	service.Refuse(func(r *http.Request) (int, string) {
		first, second = second, r.Header.Get("Authorization")
		return 0, ""
	})
	storetest.Save(t, b, "0", 5)
	t.Setenv("AZX_TEST_BLOB", strings.Replace(service.ConnectionString(), "AccountName=acct", "AccountName=other", 1))
	storetest.Save(t, b, "0", 6)
	if !strings.HasPrefix(first, "SharedKey acct:") || !strings.HasPrefix(second, "SharedKey other:") {
		t.Errorf("got %q, then %q", first, second)
	}
	t.Setenv("AZX_TEST_BLOB", "")
	expectProblem(t, b.Save(t.Context(), "0", storetest.At(7)), fault.Credential, "AZX_TEST_BLOB")
}

func TestAContainerThatIsNamedWronglyIsRefused(t *testing.T) {
	text := secret.Literal
	for name, c := range map[string]struct {
		container checkpoint.Container
		says      string
	}{
		"a name in upper case":    {checkpoint.Container{Name: "Checkpoints", URL: text("https://a.example?sig=canary")}, "3 to 63 lower-case"},
		"a name that is too long": {checkpoint.Container{Name: strings.Repeat("a", 64), URL: text("https://a.example?sig=canary")}, "3 to 63 lower-case"},
		"two hyphens":             {checkpoint.Container{Name: "a--b", URL: text("https://a.example?sig=canary")}, "single hyphens"},
		"no account":              {checkpoint.Container{Name: "azx"}, "connectionString or url"},
		"two accounts":            {checkpoint.Container{Name: "azx", URL: text("x"), ConnectionString: text("x")}, "connectionString or url"},
		"no connection string":    {checkpoint.Container{Name: "azx", ConnectionString: text("canary")}, "Access keys"},
		"a key that is none":      {checkpoint.Container{Name: "azx", ConnectionString: text("AccountName=a;AccountKey=canary!")}, "Access keys"},
		"no url":                  {checkpoint.Container{Name: "azx", URL: text("canary")}, "https://ACCOUNT.blob.core.windows.net"},
		"a url with a password":   {checkpoint.Container{Name: "azx", URL: text("https://u:canary@a.example?sig=x")}, "https://ACCOUNT.blob.core.windows.net"},
		"neither SAS nor token":   {checkpoint.Container{Name: "azx", URL: text("https://a.example")}, "append a SAS"},
		"a SAS in the clear":      {checkpoint.Container{Name: "azx", URL: text("http://a.example?sig=canary")}, "use https"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := checkpoint.OpenBlob(t.Context(), c.container, plant, "Plant1Hub")
			expectProblem(t, err, fault.Fatal, c.says, "checkpoint.blob")
		})
	}
}
