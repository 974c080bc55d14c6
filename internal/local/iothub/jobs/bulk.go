package jobs

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"

	"azx/internal/local/iothub"
)

// The types of bulk jobs, and the blobs they use unless told otherwise (read).
const (
	Export      = "export"
	Import      = "import"
	devicesBlob = "devices.txt"
	errorsBlob  = "importErrors.log"
)

// Bulk is an export or an import of the whole registry, as a request and as back ends see it (members: read,
// JobProperties of azure-iothub).
type Bulk struct {
	ID             string    `json:"jobId"`
	Type           string    `json:"type"`
	Start          time.Time `json:"startTimeUtc,omitzero"`
	End            time.Time `json:"endTimeUtc,omitzero"`
	Status         string    `json:"status"`
	Progress       int       `json:"progress"` // percent
	Input          string    `json:"inputBlobContainerUri,omitempty"`
	InputBlob      string    `json:"inputBlobName,omitempty"`
	Output         string    `json:"outputBlobContainerUri,omitempty"`
	OutputBlob     string    `json:"outputBlobName,omitempty"`
	ExcludeKeys    bool      `json:"excludeKeysInExport"`
	Authentication string    `json:"storageAuthenticationType,omitempty"`
	FailureReason  string    `json:"failureReason,omitempty"`

	stop func()
}

// CreateBulk takes an export or an import. There is one at a time (read). Errors: ArgumentInvalid, JobQuotaExceeded.
func (j *Jobs) CreateBulk(b Bulk) (Bulk, error) {
	if err := b.check(); err != nil {
		return Bulk{}, err
	}
	b.ID, b.Status, b.Start, b.End, b.Progress, b.FailureReason = newID(), Enqueued, j.hub.Now().UTC(), time.Time{}, 0, ""
	j.mu.Lock()
	defer j.mu.Unlock()
	for id, other := range j.bulks {
		if !other.over() {
			return Bulk{}, refusal(iothub.JobQuotaExceeded, "job %s is %s; there is one export or import at a time", id, other.Status)
		}
	}
	if err := j.store.put(append(j.expiredBulk(), b.record())...); err != nil {
		return Bulk{}, err
	}
	j.bulks[b.ID] = &b
	wake(j.bulk)
	return b.view(), nil
}

// expiredBulk forgets bulk jobs that are too old; the caller has the lock and writes the records.
func (j *Jobs) expiredBulk() (records []record) {
	before := j.hub.Now().Add(-history)
	for id, b := range j.bulks {
		if b.over() && b.End.Before(before) {
			records = append(records, record{bucketBulk, id, nil})
			delete(j.bulks, id)
		}
	}
	return records
}

func (b *Bulk) check() error {
	if b.Authentication != "" && !strings.EqualFold(b.Authentication, "keyBased") {
		return refusal(iothub.ArgumentInvalid, "storageAuthenticationType %q: the local hub has no identity; give a container with a shared access signature", b.Authentication)
	}
	containers := []*string{&b.Output}
	switch b.Type {
	case Export:
		b.Input, b.InputBlob = "", ""
		b.OutputBlob = cmp.Or(b.OutputBlob, devicesBlob)
	case Import:
		containers = append(containers, &b.Input)
		b.InputBlob = cmp.Or(b.InputBlob, devicesBlob)
		b.OutputBlob = cmp.Or(b.OutputBlob, errorsBlob)
	default:
		return refusal(iothub.ArgumentInvalid, "type %q: want %s or %s", b.Type, Export, Import)
	}
	for _, uri := range containers {
		if _, err := parseContainer(*uri); err != nil {
			return err
		}
	}
	return nil
}

// parseContainer reads the URI of a container. Errors do not have it: it holds a signature.
func parseContainer(uri string) (*url.URL, error) {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, refusal(iothub.ArgumentInvalid, "the URI of a container is none: want https://account.blob.core.windows.net/container?signature")
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme == "http" && u.Hostname() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return nil, refusal(iothub.ArgumentInvalid, "the container at %s is not reached over https: its signature would be seen", u.Host)
	}
	return u, nil
}

// GetBulk returns an export or an import. Error: JobNotFound.
func (j *Jobs) GetBulk(id string) (Bulk, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	b, there := j.bulks[id]
	if !there {
		return Bulk{}, refusal(iothub.JobNotFound, "there is no job %q", id)
	}
	return b.view(), nil
}

// ListBulk returns all exports and imports, newest first.
func (j *Jobs) ListBulk() []Bulk {
	j.mu.Lock()
	defer j.mu.Unlock()
	all := make([]Bulk, 0, len(j.bulks))
	for _, b := range j.bulks {
		all = append(all, b.view())
	}
	slices.SortFunc(all, func(a, b Bulk) int { return cmp.Or(b.Start.Compare(a.Start), strings.Compare(a.ID, b.ID)) })
	return all
}

// CancelBulk ends an export or an import; one that has ended stays as it is. What was imported stays. Error: JobNotFound.
func (j *Jobs) CancelBulk(id string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	b, there := j.bulks[id]
	if !there {
		return refusal(iothub.JobNotFound, "there is no job %q", id)
	}
	if b.over() {
		return nil
	}
	if b.stop != nil {
		b.stop()
	}
	return j.endBulk(b, Cancelled, "")
}

// endBulk gives a bulk job its last state, without the signatures; the caller has the lock.
func (j *Jobs) endBulk(b *Bulk, status, reason string) error {
	b.Status, b.End, b.FailureReason = status, j.hub.Now().UTC(), reason
	b.Input, b.Output = unsigned(b.Input), unsigned(b.Output)
	if status == Completed {
		b.Progress = 100
	}
	return j.store.put(b.record())
}

func (b *Bulk) over() bool {
	return b.Status == Completed || b.Status == Failed || b.Status == Cancelled
}

// view is a copy for a caller, without signatures (whether a real hub shows them is unknown).
func (b *Bulk) view() Bulk {
	v := *b
	v.Input, v.Output, v.stop = unsigned(b.Input), unsigned(b.Output), nil
	return v
}

func unsigned(uri string) string {
	before, _, _ := strings.Cut(uri, "?")
	return before
}

func (b *Bulk) record() record { return record{bucketBulk, b.ID, mustJSON(b)} }

func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}
