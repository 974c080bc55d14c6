// Package blob reads blobs of storage containers.
package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"azx/internal/dial"
	"azx/internal/fault"
	"azx/internal/secret"
)

const (
	callWithin = time.Minute // one call, its connection included
	tries      = 5           // of what may go well later
	pauseMin   = 200 * time.Millisecond
	pauseMax   = 10 * time.Second
)

// Signed is a container that is named by a URI with a shared access signature. The URI is read anew for each call, so that a
// signature can be replaced. Errors are fault.Problems, and have no signature in them.
type Signed struct {
	uri     secret.Source
	setting string
	http    *http.Client
}

// NewSigned makes one. open makes the connections; setting is what has led to it, for people.
func NewSigned(uri secret.Source, open dial.Func, setting string) *Signed {
	stays := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // the signature does
	return &Signed{uri: uri, setting: setting, http: &http.Client{Transport: dial.HTTP(open, nil, setting), CheckRedirect: stays}}
}

// Close closes connections that wait for more calls.
func (s *Signed) Close() { s.http.CloseIdleConnections() }

// URI is the container's as it is now.
func (s *Signed) URI() (secret.Secret, error) {
	u, err := s.address()
	if err != nil {
		return secret.Secret{}, err
	}
	return secret.New(u.String()), nil
}

// Place names the container without its signature.
func (s *Signed) Place() (string, error) {
	u, err := s.address()
	if err != nil {
		return "", err
	}
	return u.Host + u.Path, nil
}

func (s *Signed) address() (*url.URL, error) {
	const op = "open a container"
	text, err := s.uri.Value()
	if err != nil {
		return nil, &fault.Problem{Op: op, Class: fault.Fatal, Cause: err}
	}
	const hint = "it looks like https://ACCOUNT.blob.core.windows.net/CONTAINER?sv=...&sig=..., and allows to read, write and delete"
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") == "": // the error would show the text
		return nil, fault.Reject(op, hint, "%s has no URI of a container", s.setting)
	case !u.Query().Has("sig"):
		return nil, fault.Reject(op, hint, "the URI of %s has no signature", s.setting)
	case !dial.Safe(u):
		return nil, fault.Reject(op, hint, "the URI of %s is not one of https: its signature would be seen", s.setting)
	}
	return u, nil
}

// Read reads up to most bytes of a blob from a place on; fewer are its end. An error of class Rejected: it is not there.
func (s *Signed) Read(ctx context.Context, name string, from int64, most int) (data []byte, err error) {
	rest := map[string]string{"Range": fmt.Sprintf("bytes=%d-%d", from, from+int64(most)-1)}
	err = s.call(ctx, "read", http.MethodGet, name, rest, func(answer *http.Response) (err error) {
		switch answer.StatusCode {
		case http.StatusRequestedRangeNotSatisfiable: // from is its end
			data = nil
			return nil
		case http.StatusPartialContent:
			data, err = io.ReadAll(io.LimitReader(answer.Body, int64(most)))
			return err
		}
		return refusal(answer)
	})
	return data, err
}

// Remove deletes a blob; one that is not there is no error.
func (s *Signed) Remove(ctx context.Context, name string) error {
	return s.call(ctx, "remove", http.MethodDelete, name, nil, func(answer *http.Response) error {
		if answer.StatusCode == http.StatusAccepted || answer.StatusCode == http.StatusNotFound {
			return nil
		}
		return refusal(answer)
	})
}

// call repeats what might go well later.
func (s *Signed) call(ctx context.Context, verb, method, name string, header map[string]string, take func(*http.Response) error) error {
	at, err := s.address()
	if err != nil {
		return err
	}
	op := fmt.Sprintf("%s blob %s of container %s", verb, name, at.Host+at.Path)
	pause := fault.Backoff{Min: pauseMin, Max: pauseMax}
	for n := 1; ; n++ {
		err := s.try(ctx, method, at.JoinPath(url.PathEscape(name)), header, take)
		if err == nil {
			return nil
		}
		p := problem(op, err)
		if ctx.Err() != nil || n == tries || p.Class != fault.Transient {
			return p
		}
		if err := pause.Pause(ctx); err != nil {
			return p
		}
	}
}

func (s *Signed) try(ctx context.Context, method string, at *url.URL, header map[string]string, take func(*http.Response) error) error {
	ctx, cancel := context.WithTimeout(ctx, callWithin)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, at.String(), nil)
	if err != nil {
		return err
	}
	for key, value := range header {
		r.Header.Set(key, value)
	}
	answer, err := s.http.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	return take(answer)
}

// problem takes the address off an error of net/http: it has the signature.
func problem(op string, err error) *fault.Problem {
	var sent *url.Error
	if errors.As(err, &sent) {
		err = sent.Err
	}
	return &fault.Problem{Op: op, Class: fault.ClassOf(err), Cause: err, Hint: fault.HintOf(err)}
}

// refusal classes an answer of the service.
func refusal(answer *http.Response) error {
	p := &fault.Problem{Op: "the storage account refuses", Class: fault.Transient,
		Cause: fmt.Errorf("%d %s", answer.StatusCode, answer.Header.Get("X-Ms-Error-Code"))}
	switch answer.StatusCode {
	case http.StatusUnauthorized, http.StatusForbidden:
		p.Class, p.Hint = fault.Credential, "the signature has to allow to read, write and delete, and may have expired; the account's network rules may not let this machine in"
	case http.StatusNotFound:
		p.Class = fault.Rejected
	}
	return p
}
