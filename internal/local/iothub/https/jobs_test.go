package https

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/jobs"
)

// running is a caller of a hub whose jobs run until stop. It belongs in synthetic time.
func running(t *testing.T) (c *caller, stop func()) {
	t.Helper()
	c = newCallerOf(t, iothub.Config{Clock: time.Now})
	all, err := jobs.Open(c.hub, "", false)
	if err != nil {
		t.Fatal(err)
	}
	c.handler = Handler(c.hub, all)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- all.Run(ctx) }()
	return c, func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

const twinJob = `{"jobId": "j1", "type": "scheduleUpdateTwin", "queryCondition": "*", "updateTwin": {"etag": "*", "tags": {"site": "Ulm"}}, "startTime": null}`

func TestAJobIsMadeReadListedAndItsDevicesQueried(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, stop := running(t)
		defer stop()
		c.device("d1")
		c.device("d2")
		var job jobs.Job
		c.owner("PUT /jobs/v2/j1", twinJob).is(200, &job)
		if job.ID != "j1" || job.Status != jobs.Queued || job.Statistics != nil {
			t.Errorf("got %+v", job)
		}
		synctest.Wait()
		c.owner("GET /jobs/v2/j1", "").is(200, &job)
		if job.Status != jobs.Completed || job.Statistics.Succeeded != 2 {
			t.Errorf("got %+v", job)
		}
		var list []jobs.Job
		c.owner("PUT /jobs/v2/j2", strings.ReplaceAll(twinJob, "j1", "j2")).is(200, nil)
		first := c.owner("GET /jobs/v2/query", "", "x-ms-max-item-count", "1").is(200, &list)
		next := first.Header()["x-ms-continuation"]
		if len(list) != 1 || len(next) != 1 || first.Header()["x-ms-item-type"][0] != "JobResponse" {
			t.Fatalf("got %+v, %v", list, next)
		}
		last := c.owner("GET /jobs/v2/query", "", "x-ms-continuation", next[0], "x-ms-max-item-count", "1").is(200, &list)
		if len(list) != 1 || len(last.Header()["x-ms-continuation"]) != 0 {
			t.Fatalf("got %+v", list)
		}
		var rows []map[string]any
		got := c.owner("POST /devices/query", `{"query": "SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'j1' AND deviceId = 'd2'"}`).is(200, &rows)
		if len(rows) != 1 || rows[0]["status"] != "completed" || got.Header()["x-ms-item-type"][0] != "DeviceJob" {
			t.Errorf("got %v", rows)
		}
		c.owner("POST /jobs/v2/j1/cancel", "").refuses(400, "InvalidOperation", "completed")
		c.owner("PUT /jobs/v2/j1", twinJob).refuses(409, "JobAlreadyExists", "already")
		c.owner("PUT /jobs/v2/j9", twinJob).refuses(400, "ArgumentInvalid", "the path about")
		c.owner("GET /jobs/v2/no", "").refuses(404, "JobNotFound", "no job")
		c.owner("GET /jobs/v2/query", "", "x-ms-max-item-count", "0").refuses(400, "ArgumentInvalid", "x-ms-max-item-count")
	})
}

func TestJobsAreThrottledAsOnOneUnitOfS1(t *testing.T) {
	c := newCaller(t)
	c.hub.SetLimits(iothub.Limits{Throttle: true})
	for range 100 {
		c.owner("GET /jobs/v2/query", "").is(200, nil)
	}
	if after := c.owner("GET /jobs/v2/query", "").refuses(429, "ThrottlingException", "100").Header().Get("Retry-After"); after == "" {
		t.Error("no Retry-After")
	}
}

func TestABulkJobShowsNoSignature(t *testing.T) {
	c := newCaller(t)
	made := c.owner("POST /jobs/create", `{"type": "export", "outputBlobContainerUri": "https://a.blob.core.windows.net/box?sig=secret", "excludeKeysInExport": true}`)
	var b jobs.Bulk
	made.is(200, &b)
	if b.Status != jobs.Enqueued || b.Output != "https://a.blob.core.windows.net/box" || !b.ExcludeKeys {
		t.Errorf("got %+v", b)
	}
	c.owner("GET /jobs/"+b.ID, "").is(200, &b)
	c.owner("DELETE /jobs/"+b.ID, "").is(204, nil)
	c.owner("GET /jobs/"+b.ID, "").is(200, &b)
	if b.Status != jobs.Cancelled {
		t.Errorf("got %+v", b)
	}
	c.owner("POST /jobs/create", `{"type": "export", "outputBlobContainerUri": 5}`).refuses(400, "ArgumentInvalid", "not what it should be")
	c.owner("DELETE /jobs/no", "").refuses(404, "JobNotFound", "no job")
}
