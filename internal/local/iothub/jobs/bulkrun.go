package jobs

import (
	"bufio"
	"context"
	"errors"

	"azx/internal/local/iothub"
	"azx/internal/local/iothub/document"
)

// maxLine bounds a line of a file that is imported: a twin with its metadata is less.
const maxLine = 1 << 20

// runBulk runs one export or import after the other. One that was interrupted begins anew.
func (j *Jobs) runBulk(ctx context.Context) error {
	for {
		b, run := j.nextBulk(ctx)
		if b == nil {
			if !pause(ctx, 0, j.bulk) {
				return nil
			}
			continue
		}
		reason := run()
		if ctx.Err() != nil {
			return nil
		}
		if err := j.finishBulk(b, reason); err != nil {
			return err
		}
	}
}

// nextBulk is the one that has not ended, and what does its work.
func (j *Jobs) nextBulk(ctx context.Context) (*Bulk, func() error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, b := range j.bulks {
		if b.over() {
			continue
		}
		ctx, cancel := context.WithCancel(ctx)
		b.Status, b.stop = Running, cancel
		task := *b
		return b, func() error {
			defer cancel()
			if task.Type == Export {
				return j.export(ctx, task)
			}
			return j.importAll(ctx, task)
		}
	}
	return nil, nil
}

func (j *Jobs) finishBulk(b *Bulk, failed error) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case b.over(): // cancelled meanwhile
		return nil
	case failed != nil:
		return j.endBulk(b, Failed, failed.Error())
	}
	return j.endBulk(b, Completed, "")
}

func (j *Jobs) export(ctx context.Context, b Bulk) error {
	blob, err := j.create(ctx, b.Output, b.OutputBlob)
	if err != nil {
		return err
	}
	all := j.hub.Registry().List()
	for i, identity := range all {
		j.progress(b.ID, 100*i/len(all))
		twin, err := j.hub.Twin(identity.ID)
		if err != nil {
			continue // deleted meanwhile
		}
		line, err := document.Line(identity, twin, !b.ExcludeKeys)
		if err == nil {
			err = blob.write(append(line, '\n'))
		}
		if err != nil {
			return err
		}
	}
	return blob.close()
}

func (j *Jobs) progress(id string, percent int) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.bulks[id].Progress = percent
}

// importAll applies the lines of a file; those that are refused are in another (read: importErrors.log).
func (j *Jobs) importAll(ctx context.Context, b Bulk) error {
	from, err := j.open(ctx, b.Input, b.InputBlob)
	if err != nil {
		return err
	}
	defer from.Close()
	refused, err := j.create(ctx, b.Output, b.OutputBlob)
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	for lines.Scan() && ctx.Err() == nil {
		if len(lines.Bytes()) == 0 {
			continue
		}
		if err := j.importLine(lines.Bytes(), refused); err != nil {
			return err
		}
	}
	if err := errors.Join(lines.Err(), ctx.Err()); err != nil {
		return errors.New("read " + b.InputBlob + ": " + err.Error())
	}
	return refused.close()
}

// importLine applies a line, or writes why not.
func (j *Jobs) importLine(line []byte, refused *blobWriter) error {
	entry, err := document.Entry(line, iothub.BulkCreateOrUpdate)
	if err == nil {
		err = j.hub.Import(entry)
	}
	if err == nil {
		return nil
	}
	e := iothub.AsError(err)
	return refused.write(append(mustJSON(struct {
		ID     string      `json:"deviceId,omitempty"`
		Module string      `json:"moduleId,omitempty"`
		Code   iothub.Code `json:"errorCode"`
		Text   string      `json:"errorStatus"`
	}{entry.Device, entry.Module, e.Code, e.Message}), '\n'))
}
