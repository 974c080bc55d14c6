package iothub

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"azx/internal/access"
	"azx/internal/local/iothub"
	"azx/internal/local/iothub/serve"
	"azx/internal/secret"
)

// localHub is a client of a hub that runs in this process, with the owner's rights. The hub was made to please Microsoft's clients, and
// shares no code with this one.
func localHub(t *testing.T) (*Client, *iothub.Hub) {
	t.Helper()
	running, err := serve.Start(t.Context(), serve.Options{})
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(running.CA)
	service, err := access.ParseService(running.Info.OwnerConnectionString)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Service: service, Network: trusting(roots), Quota: Quota{Tier: "S3"}}
	o.Network.Dial = func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, fmt.Sprintf("%s:%d", running.Info.Listen, running.Info.Ports.HTTPS))
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		running.Stop()
		if err := running.Wait(); err != nil {
			t.Error(err)
		}
	})
	return c, running.Hub
}

func TestJobsOfTheLocalHubAreScheduledFollowedAndCancelled(t *testing.T) {
	c, hub := localHub(t)
	specs := make([]iothub.Spec, 1200)
	for n := range specs {
		specs[n].Device = fmt.Sprintf("dev-%04d", n)
	}
	if _, err := hub.Registry().Add(specs...); err != nil {
		t.Fatal(err)
	}
	change := &TwinChange{Tags: json.RawMessage(`{"site": "Ulm"}`)}
	job, err := c.Schedule(t.Context(), JobRequest{ID: "twins", Condition: "*", Twin: change})
	if err != nil {
		t.Fatal(err)
	}
	end := time.NewTimer(time.Minute)
	look := time.NewTicker(20 * time.Millisecond)
	defer end.Stop()
	defer look.Stop()
	for !job.Over() {
		select {
		case <-look.C:
		case <-end.C:
			t.Fatalf("it does not end: %+v", job)
		}
		if job, err = c.Job(t.Context(), "twins"); err != nil {
			t.Fatal(err)
		}
	}
	if job.Status != "completed" || job.Devices.Succeeded != len(specs) {
		t.Errorf("got %+v", job)
	}
	seen := map[string]bool{}
	for r, err := range c.JobResults(t.Context(), "twins") { // more than a page
		if err != nil || r.Status != "completed" || seen[r.DeviceID] {
			t.Fatalf("got %+v, %v", r, err)
		}
		seen[r.DeviceID] = true
	}
	if len(seen) != len(specs) {
		t.Errorf("%d results", len(seen))
	}
	later := JobRequest{ID: "later", Condition: "*", Start: time.Now().Add(time.Hour), Method: &Method{Name: "reboot"}}
	if job, err = c.Schedule(t.Context(), later); err != nil || job.Status != "scheduled" {
		t.Errorf("got %+v, %v", job, err)
	}
	if _, err = c.Schedule(t.Context(), later); !isError(err, ErrExists) {
		t.Errorf("a second time: %v", err)
	}
	if job, err = c.CancelJob(t.Context(), "later"); err != nil || job.Status != "cancelled" {
		t.Errorf("got %+v, %v", job, err)
	}
	if page, err := c.FindJobs(t.Context(), JobFilter{Status: "cancelled"}); err != nil || len(page.Jobs) != 1 || page.Jobs[0].ID != "later" {
		t.Errorf("got %+v, %v", page, err)
	}
	if _, err := c.Job(t.Context(), "nobody"); !isError(err, ErrNoJob) {
		t.Errorf("got %v", err)
	}
}

func TestAnExportOfTheLocalHubThatCannotBeWrittenSaysSo(t *testing.T) {
	c, _ := localHub(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close() // nobody is there
	b, err := c.StartExport(t.Context(), Export{Container: secret.New("http://" + l.Addr().String() + "/box?sig=topsecret")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.AwaitExport(t.Context(), b.ID, func(int) {}); err == nil || !strings.Contains(err.Error(), "write devices.txt") || strings.Contains(err.Error(), "topsecret") {
		t.Errorf("got %v", err)
	}
	if err := c.CancelBulkJob(t.Context(), b.ID); err != nil {
		t.Error(err)
	}
}
