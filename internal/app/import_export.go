package app

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"strings"
	"sync/atomic"

	"azx/internal/blob"
	"azx/internal/devices"
	"azx/internal/fault"
	"azx/internal/iothub"
	"azx/internal/secret"
	"azx/internal/supervise"
)

const (
	exportFlag  = "--export-container-uri-file"
	exportPiece = 2 << 20 // bytes of an export that are in memory: more than a device has, whose twin with its metadata is below 200 KB
	twinsAtOnce = 8       // twins that are read at once where the export has none
)

// exporter is a hub as far as an export needs it.
type exporter interface {
	StartExport(ctx context.Context, e iothub.Export) (iothub.BulkJob, error)
	AwaitExport(ctx context.Context, id string, told func(percent int)) (iothub.BulkJob, error)
	Twin(ctx context.Context, t iothub.Target) (iothub.Twin, error)
}

// deviceExport is an export of a hub's devices to a blob as devices.Source. The blob is a file of its own in the container, so that no
// other export writes over it, and is removed behind the last device.
type deviceExport struct {
	client exporter
	into   *blob.Signed
	told   func(percent int) // hears how far the hub's export is
	total  int
	piece  int // bytes that are read at once
}

// openExport opens the container whose URI is in a file.
func (c *carrier) openExport(client exporter, file string, told func(int)) (*deviceExport, error) {
	path, err := filepath.Abs(file)
	if err != nil {
		return nil, err
	}
	uri, err := secret.Parse("${file:"+path+"}", "")
	if err != nil {
		return nil, err
	}
	if told == nil {
		told = func(int) {}
	}
	return &deviceExport{client: client, into: blob.NewSigned(uri, c.dialer.DialContext, exportFlag), told: told, piece: exportPiece}, nil
}

// about tells this import from others.
func (e *deviceExport) about() (string, error) {
	place, err := e.into.Place()
	return "export to " + place, err
}

// exportPlace is where a page of an export begins, kept as JSON.
type exportPlace struct {
	Job  string `json:"job"`
	Blob string `json:"blob"`
	From int64  `json:"from"`
	Read bool   `json:"read,omitempty"` // to its end: what is left is to remove it
}

func (p exportPlace) String() string {
	text, _ := json.Marshal(p) // texts and a number can be
	return string(text)
}

// Total is devices.Source's.
func (e *deviceExport) Total() int { return e.total }

// Pages is devices.Source's. The first page is empty: with it the export's id is kept, so that an import that is killed
// while the hub writes waits for the same one.
func (e *deviceExport) Pages(ctx context.Context, from string) iter.Seq2[devices.Page, error] {
	return func(yield func(devices.Page, error) bool) {
		at, err := e.begin(ctx, from)
		if err == nil && from == "" && !yield(devices.Page{Next: at.String()}, nil) {
			return
		}
		if err == nil && at.From == 0 && !at.Read {
			_, err = e.client.AwaitExport(ctx, at.Job, e.told)
		}
		for last := at.Read; err == nil && !last; {
			var lines []byte
			if lines, last, err = e.read(ctx, at); err != nil {
				break
			}
			for len(lines) > 0 {
				page, used := pageOfExport(lines)
				lines, at.From = lines[used:], at.From+int64(used)
				page.Next = at.String()
				if err = e.twins(ctx, page.Devices); err != nil {
					break
				}
				if !yield(page, nil) {
					return
				}
			}
		}
		if at.Read = true; err == nil && !yield(devices.Page{Next: at.String()}, nil) { // kept before the blob goes
			return
		}
		if err == nil {
			err = e.into.Remove(ctx, at.Blob)
		}
		if err != nil {
			yield(devices.Page{}, err)
		}
	}
}

// begin starts an export, or finds the place in one.
func (e *deviceExport) begin(ctx context.Context, from string) (at exportPlace, err error) {
	if from != "" {
		if json.Unmarshal([]byte(from), &at) != nil || at.Job == "" || at.Blob == "" || at.From < 0 {
			return at, fault.Reject("read the export", "remove what is kept of the import", "it has no place in one")
		}
		return at, nil
	}
	container, err := e.into.URI()
	if err != nil {
		return at, err
	}
	at.Blob = "azx-import-" + strings.ToLower(rand.Text()) + ".txt"
	job, err := e.client.StartExport(ctx, iothub.Export{Container: container, Blob: at.Blob})
	at.Job = job.ID
	return at, err
}

// read reads whole lines from a place on.
func (e *deviceExport) read(ctx context.Context, at exportPlace) (lines []byte, last bool, err error) {
	data, err := e.into.Read(ctx, at.Blob, at.From, e.piece)
	if err != nil {
		if fault.ClassOf(err) == fault.Rejected {
			err = &fault.Problem{Op: "read the export", Class: fault.Rejected, Cause: err, Hint: "has it been removed? remove what is kept of the import, and begin anew"}
		}
		return nil, false, err
	}
	if last = len(data) < e.piece; last {
		return data, true, nil
	}
	end := bytes.LastIndexByte(data, '\n') + 1
	if end == 0 {
		return nil, false, &fault.Problem{Op: "read the export", Class: fault.Rejected, Cause: fmt.Errorf("the line at byte %d has more than %d bytes", at.From, e.piece)}
	}
	return data[:end], false, nil
}

// pageOfExport takes a page of devices from lines, and how many bytes it used. Modules become no Things.
func pageOfExport(lines []byte) (page devices.Page, used int) {
	for line := range bytes.Lines(lines) {
		used += len(line)
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		twin, err := iothub.ReadExported(line)
		switch {
		case err != nil:
			page.Devices = append(page.Devices, devices.Device{Bad: err})
		case twin.ModuleID == "":
			page.Devices = append(page.Devices, deviceOf(twin))
		}
		if len(page.Devices) == importPage {
			return page, used
		}
	}
	return page, used
}

// twins reads those that the export does not have, within the hub's quota.
func (e *deviceExport) twins(ctx context.Context, page []devices.Device) error {
	var next atomic.Int64
	group := supervise.New(ctx)
	for range twinsAtOnce {
		group.Go("read twins", func(ctx context.Context) error {
			for n := int(next.Add(1)) - 1; n < len(page); n = int(next.Add(1)) - 1 {
				if d := &page[n]; d.Bad == nil && d.Desired == nil && d.Report == nil {
					if err := e.twin(ctx, d); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	return group.Wait()
}

func (e *deviceExport) twin(ctx context.Context, d *devices.Device) error {
	twin, err := e.client.Twin(ctx, iothub.Target{Device: d.ID})
	switch {
	case errors.Is(err, iothub.ErrNotFound):
		d.Bad = fault.Reject("read its twin", "", "it was deleted behind the export")
		return nil
	case err != nil:
		return err
	}
	edge := d.Edge
	*d = deviceOf(twin)
	d.Edge = d.Edge || edge
	return nil
}
