package iothub

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"azx/internal/fault"
	"azx/internal/secret"
)

func TestAJobIsAskedForAsTheSDKDoes(t *testing.T) {
	at := time.Date(2026, 5, 4, 3, 2, 1, 0, time.UTC)
	for name, c := range map[string]struct {
		request JobRequest
		body    string
	}{
		"a twin": {JobRequest{ID: "j-1", Condition: "tags.site = 'Ulm'", Twin: &TwinChange{Tags: json.RawMessage(`{"a":1}`), Desired: json.RawMessage(`{"rate":5}`)}},
			`{"jobId":"j-1","type":"scheduleUpdateTwin","updateTwin":{"etag":"*","tags":{"a":1},"properties":{"desired":{"rate":5}}},"queryCondition":"tags.site = 'Ulm'","maxExecutionTimeInSeconds":3600}`},
		"a method later": {JobRequest{ID: "j-1", Condition: "*", Start: at, Within: time.Minute, Method: &Method{Name: "reboot", Payload: json.RawMessage(`{"in":5}`)}},
			`{"jobId":"j-1","type":"scheduleDeviceMethod","cloudToDeviceMethod":{"methodName":"reboot","payload":{"in":5},"responseTimeoutInSeconds":30,"connectTimeoutInSeconds":0},"queryCondition":"*","startTime":"2026-05-04T03:02:01Z","maxExecutionTimeInSeconds":60}`},
	} {
		t.Run(name, func(t *testing.T) {
			answer := `{"jobId": "j-1", "status": "scheduled", "createdTime": "2026-05-04T03:02:01.5Z", "deviceJobStatistics": {"deviceCount": 3, "failedCount": 1}}`
			scripted(t, []step{{body: answer}}, nil, func(t *testing.T, client *Client, s *script) {
				job, err := client.Schedule(t.Context(), c.request)
				if err != nil || job.Over() || job.Devices.Failed != 1 || job.Created.IsZero() || !job.End.IsZero() {
					t.Errorf("got %+v, %v", job, err)
				}
				if got := s.requests()[0]; got.line != "PUT /jobs/v2/j-1?api-version=2021-04-12" || got.body != c.body {
					t.Errorf("got %s %s", got.line, got.body)
				}
			})
		})
	}
}

func TestAJobThatTheHubWouldRefuseIsNotAskedFor(t *testing.T) {
	twin := &TwinChange{Tags: json.RawMessage(`{}`)}
	scripted(t, ok, nil, func(t *testing.T, c *Client, s *script) {
		for name, r := range map[string]JobRequest{
			"no id":         {Condition: "*", Twin: twin},
			"a strange id":  {ID: "a/b", Condition: "*", Twin: twin},
			"a long id":     {ID: strings.Repeat("x", 65), Condition: "*", Twin: twin},
			"no condition":  {ID: "j", Twin: twin},
			"nothing to do": {ID: "j", Condition: "*"},
			"both":          {ID: "j", Condition: "*", Twin: twin, Method: &Method{Name: "m"}},
			"an empty twin": {ID: "j", Condition: "*", Twin: &TwinChange{}},
			"no method":     {ID: "j", Condition: "*", Method: &Method{}},
			"no time":       {ID: "j", Condition: "*", Twin: twin, Within: -1},
		} {
			if _, err := c.Schedule(t.Context(), r); fault.ClassOf(err) != fault.Rejected {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, err := range []error{c.CancelBulkJob(t.Context(), ""), func() error { _, err := c.BulkJob(t.Context(), ""); return err }(),
			func() error { _, err := c.Job(t.Context(), "'"); return err }()} {
			if fault.ClassOf(err) != fault.Rejected {
				t.Errorf("got %v", err)
			}
		}
		if n := len(s.requests()); n != 0 {
			t.Errorf("%d requests", n)
		}
	})
}

func TestJobsAreListedAndTheirResultsReadPageByPage(t *testing.T) {
	next := map[string]string{"X-Ms-Continuation": "more"}
	scripted(t, []step{{body: `[{"jobId": "a"}]`, header: next}, {body: `[{"jobId": "b", "status": "cancelled"}]`}}, nil, func(t *testing.T, c *Client, s *script) {
		page, err := c.FindJobs(t.Context(), JobFilter{Type: JobTwin, Status: "failed", PageSize: 1})
		if err != nil || len(page.Jobs) != 1 || page.Continuation != "more" {
			t.Fatalf("got %+v, %v", page, err)
		}
		page, err = c.FindJobs(t.Context(), JobFilter{Continuation: page.Continuation})
		if err != nil || !page.Jobs[0].Over() || page.Continuation != "" {
			t.Fatalf("got %+v, %v", page, err)
		}
		first, second := s.requests()[0], s.requests()[1]
		if first.line != "GET /jobs/v2/query?api-version=2021-04-12&jobStatus=failed&jobType=scheduleUpdateTwin" || first.header.Get("X-Ms-Max-Item-Count") != "1" ||
			second.line != "GET /jobs/v2/query?api-version=2021-04-12" || second.header.Get("X-Ms-Continuation") != "more" {
			t.Errorf("got %s and %s", first.line, second.line)
		}
		if _, err := c.FindJobs(t.Context(), JobFilter{PageSize: 1001}); fault.ClassOf(err) != fault.Rejected {
			t.Errorf("got %v", err)
		}
	})
	rows := `[{"deviceId": "d1", "status": "completed", "outcome": {"deviceMethodResponse": {"status": 200, "payload": {"a": 1}}}}]`
	failed := `[{"deviceId": "d2", "status": "failed", "outcome": {"deviceMethodResponse": null}, "error": {"code": "DeviceNotOnline", "description": "x"}}]`
	scripted(t, []step{{body: rows, header: next}, {body: failed}}, nil, func(t *testing.T, c *Client, s *script) {
		var all []JobResult
		for r, err := range c.JobResults(t.Context(), "j-1") {
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, r)
		}
		if len(all) != 2 || all[0].Outcome.Answer.Status != 200 || all[1].Error.Code != "DeviceNotOnline" || all[1].Outcome.Answer != nil {
			t.Errorf("got %+v", all)
		}
		if got := s.requests()[0].body; got != `{"query":"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'j-1'"}` {
			t.Errorf("got %s", got)
		}
	})
}

func TestWhatTheHubSaysOfJobsHasItsMeaning(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		header string
		want   error
		class  fault.Class
	}{
		"no job":     {404, "JobNotFound", ErrNoJob, fault.Rejected},
		"there":      {409, "JobAlreadyExists", ErrExists, fault.Rejected},
		"busy":       {403, "JobQuotaExceeded", ErrBusy, fault.Transient},
		"a bad one":  {400, "ArgumentInvalid", errInvalid, fault.Rejected},
		"Basic tier": {403, "OperationNotAllowedInCurrentState", ErrBasicTier, fault.Rejected},
	} {
		t.Run(name, func(t *testing.T) {
			scripted(t, []step{{status: c.status, header: map[string]string{"iothub-errorcode": c.header}}}, nil, func(t *testing.T, client *Client, s *script) {
				_, err := client.CancelJob(t.Context(), "j-1")
				checkProblem(t, err, c.want, c.class)
				if got := s.requests()[0].line; got != "POST /jobs/v2/j-1/cancel?api-version=2021-04-12" {
					t.Errorf("got %s", got)
				}
			})
		})
	}
}

func TestAThrottledJobIsAskedForAgainWhenTheHubSays(t *testing.T) {
	throttled := step{status: 429, header: map[string]string{"Retry-After": "7", "iothub-errorcode": "ThrottlingException"}}
	scripted(t, []step{throttled, {body: `{"jobId": "j-1"}`}}, nil, func(t *testing.T, c *Client, s *script) {
		start := time.Now()
		if _, err := c.Job(t.Context(), "j-1"); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 7*time.Second || took > 8*time.Second {
			t.Errorf("after %s", took)
		}
	})
}

func TestAnExportIsAwaited(t *testing.T) {
	steps := []step{{body: `{"jobId": "e 1", "status": "enqueued"}`}, {body: `{"jobId": "e 1", "status": "running", "progress": 40}`},
		{body: `{"jobId": "e 1", "status": "completed", "progress": 100, "outputBlobName": "devices.txt"}`}}
	scripted(t, steps, nil, func(t *testing.T, c *Client, s *script) {
		b, err := c.StartExport(t.Context(), Export{Container: secret.New("https://a.blob.core.windows.net/box?sig=secret")})
		if err != nil {
			t.Fatal(err)
		}
		var told []int
		start := time.Now()
		b, err = c.AwaitExport(t.Context(), b.ID, func(percent int) { told = append(told, percent) })
		if err != nil || b.Blob != "devices.txt" || fmt.Sprint(told) != "[40 100]" || time.Since(start) != 5*time.Second {
			t.Errorf("got %+v, %v, %v after %s", b, told, err, time.Since(start))
		}
		want := `{"excludeKeysInExport":true,"outputBlobContainerUri":"https://a.blob.core.windows.net/box?sig=secret","outputBlobName":"devices.txt","storageAuthenticationType":"keyBased","type":"export"}`
		if got := s.requests(); got[0].body != want || got[1].line != "GET /jobs/e%201?api-version=2021-04-12" {
			t.Errorf("got %s %s", got[0].body, got[1].line)
		}
	})
}

func TestAnExportThatFailsSaysWhyWithoutASignature(t *testing.T) {
	scripted(t, []step{{body: `{"jobId": "e", "status": "failed", "failureReason": "403 at https://a/box?sig=topsecret"}`}}, nil, func(t *testing.T, c *Client, _ *script) {
		_, err := c.AwaitExport(t.Context(), "e", func(int) {})
		checkProblem(t, err, nil, fault.Rejected)
		if !strings.Contains(err.Error(), "failed: 403") || strings.Contains(err.Error(), "topsecret") || fault.HintOf(err) == "" {
			t.Errorf("got %v", err)
		}
		for _, uri := range []string{"", "box", "https://%zz?sig=topsecret"} {
			if _, err := c.StartExport(t.Context(), Export{Container: secret.New(uri)}); fault.ClassOf(err) != fault.Rejected || strings.Contains(err.Error(), "topsecret") {
				t.Errorf("%q: %v", uri, err)
			}
		}
	})
}

func TestALineOfAnExportIsATwin(t *testing.T) {
	for line, want := range map[string]string{
		`{"id": "d1", "eTag": "x", "twinETag": "AAE=", "tags": {"a": 1}, "properties": {"desired": {"b": 2}, "reported": {}}}`: `d1 {"a": 1}AAE={"b": 2}`,
		`{"id": "d1", "moduleId": "m"}`: "d1/m ",
		"nonsense":                      "rejected",
		`{"moduleId": "m"}`:             "rejected",
	} {
		twin, err := ReadExported([]byte(line))
		got := Target{twin.DeviceID, twin.ModuleID}.String() + " " + string(twin.Tags) + twin.ETag + string(twin.Properties.Desired)
		if err != nil {
			got = fault.ClassOf(err).String()
		}
		if got != want {
			t.Errorf("%s: got %s", line, got)
		}
	}
}

func TestTheTimeThatOperationsTakeIsKnownBefore(t *testing.T) {
	for name, c := range map[string]struct {
		quota Quota
		kind  Kind
		n     int
		want  time.Duration
	}{
		"a query of S1":            {Quota{}, KindQuery, 1, 0},
		"100 queries of S1":        {Quota{}, KindQuery, 100, 285 * time.Second},
		"100 queries of two units": {Quota{Units: 2}, KindQuery, 100, 135 * time.Second},
		"100 queries of S3":        {Quota{Tier: "S3"}, KindQuery, 100, 0},
		"feedback":                 {Quota{}, KindFeedback, 1000, 0},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.quota.Takes(c.kind, c.n); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
