package iothub

import (
	"context"
	"encoding/json"
	"iter"
	"net/http"
)

const (
	pageDefault = 100
	pageMost    = 1000
)

// Query is a question in the hub's language: "SELECT * FROM devices WHERE tags.site = 'a'", also FROM devices.modules.
// Its results lag behind the registry for some seconds.
type Query struct {
	Text         string
	PageSize     int    // 1 to 1000; 0: 100
	Continuation string // of the page before; "" for the first page
}

// Page is a part of a query's results.
type Page struct {
	Items        []json.RawMessage
	Type         string // "twin", "deviceJob", "jobResponse" or "raw" (read)
	Continuation string // for the next page; "" if this is the last
}

// Page gets one page. A hub of tier S1 allows 20 queries a minute: ask slowly, and keep what was answered.
func (c *Client) Page(ctx context.Context, q Query) (Page, error) {
	k := call{op: "query the hub", kind: KindQuery, method: http.MethodPost, path: "/devices/query", repeatable: true, limit: pageLimit}
	var err error
	if k.headers, err = paging(k.op, q.PageSize, q.Continuation); err != nil {
		return Page{}, err
	}
	if k.body, err = encode(k.op, map[string]string{"query": q.Text}); err != nil {
		return Page{}, err
	}
	k.bill = func(answer []byte) int { return pieces(len(answer), c.chunk) }
	answer, err := c.do(ctx, k)
	if err != nil {
		return Page{}, err
	}
	page := Page{Type: answer.header.Get("X-Ms-Item-Type"), Continuation: answer.header.Get("X-Ms-Continuation")}
	err = decode(k.op, answer.body, &page.Items)
	return page, err
}

// All gives the results of all pages, getting each page when it is reached. An error ends it.
func (c *Client) All(ctx context.Context, q Query) iter.Seq2[json.RawMessage, error] {
	return func(yield func(json.RawMessage, error) bool) {
		for {
			page, err := c.Page(ctx, q)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, item := range page.Items {
				if !yield(item, nil) {
					return
				}
			}
			if page.Continuation == "" {
				return
			}
			q.Continuation = page.Continuation
		}
	}
}
