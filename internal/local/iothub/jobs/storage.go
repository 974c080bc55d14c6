package jobs

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

const (
	storageVersion = "2020-10-02" // of Azure Storage's REST interface; Azurite 3.35.0 knows it (tried)
	blockSize      = 4 << 20      // bytes of a block, and of what is in memory
	storageWithin  = 2 * time.Minute
)

func storageClient() *http.Client {
	return &http.Client{
		Transport:     &http.Transport{ResponseHeaderTimeout: storageWithin, IdleConnTimeout: 30 * time.Second},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // the signature stays there
	}
}

// blobWriter writes a block blob; it is there when close has returned.
type blobWriter struct {
	jobs   *Jobs
	ctx    context.Context
	at     *url.URL
	name   string
	block  []byte
	blocks []string
}

// create begins a blob in a container, given by its URI with a signature.
func (j *Jobs) create(ctx context.Context, container, name string) (*blobWriter, error) {
	u, err := parseContainer(container)
	if err != nil {
		return nil, err
	}
	return &blobWriter{jobs: j, ctx: ctx, at: u.JoinPath(url.PathEscape(name)), name: name}, nil
}

func (w *blobWriter) write(b []byte) error {
	if len(w.block)+len(b) > blockSize {
		if err := w.flush(); err != nil {
			return err
		}
	}
	w.block = append(w.block, b...)
	return nil
}

func (w *blobWriter) flush() error {
	if len(w.block) == 0 {
		return nil
	}
	id := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, uint64(len(w.blocks))))
	if err := w.put(w.block, "comp", "block", "blockid", id); err != nil {
		return err
	}
	w.blocks, w.block = append(w.blocks, id), w.block[:0]
	return nil
}

func (w *blobWriter) close() error {
	if err := w.flush(); err != nil {
		return err
	}
	var list bytes.Buffer
	list.WriteString(`<?xml version="1.0" encoding="utf-8"?><BlockList>`)
	for _, id := range w.blocks {
		list.WriteString("<Latest>" + id + "</Latest>")
	}
	list.WriteString("</BlockList>")
	return w.put(list.Bytes(), "comp", "blocklist")
}

// put sends a block or the list of them. parameters are names and values beside those of the signature.
func (w *blobWriter) put(body []byte, parameters ...string) error {
	at := *w.at
	q := at.Query()
	for i := 0; i < len(parameters); i += 2 {
		q.Set(parameters[i], parameters[i+1])
	}
	at.RawQuery = q.Encode()
	answer, err := w.jobs.ask(w.ctx, http.MethodPut, "write "+w.name, &at, body)
	if err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<16)) // so that the connection is used again
	return answer.Body.Close()
}

// open begins to read a blob in a container.
func (j *Jobs) open(ctx context.Context, container, name string) (io.ReadCloser, error) {
	u, err := parseContainer(container)
	if err != nil {
		return nil, err
	}
	answer, err := j.ask(ctx, http.MethodGet, "read "+name, u.JoinPath(url.PathEscape(name)), nil)
	if err != nil {
		return nil, err
	}
	return answer.Body, nil
}

// ask makes a request. Its errors have neither the URL, which holds the signature, nor the answer.
func (j *Jobs) ask(ctx context.Context, method, op string, at *url.URL, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, at.String(), bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s: the address is none", op)
	}
	r.Header.Set("X-Ms-Version", storageVersion)
	answer, err := j.storage.Do(r)
	if err != nil {
		var wrapped *url.Error
		if errors.As(err, &wrapped) {
			err = wrapped.Err
		}
		return nil, fmt.Errorf("%s at %s: %w", op, at.Host, err)
	}
	if answer.StatusCode/100 != 2 {
		_ = answer.Body.Close()
		return nil, fmt.Errorf("%s at %s: status %d %s", op, at.Host, answer.StatusCode, answer.Header.Get("X-Ms-Error-Code"))
	}
	return answer, nil
}
