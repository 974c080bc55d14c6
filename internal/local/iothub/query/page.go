package query

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"iter"
)

// ErrContinuation means that a continuation was not made by this query.
var ErrContinuation = errors.New("the continuation is not one of this query")

// Source gives the documents behind a key with their keys, in the order of the keys; the empty key is before all.
type Source func(after string) iter.Seq2[string, map[string]any]

// continuation says where the next page begins.
type continuation struct {
	// After is the key of the last document, Rows how many rows there were.
	After string `json:"after"`
	Rows  int    `json:"rows"`
	// Query tells the queries apart: a hash of the text.
	Query string `json:"query"`
}

// Page returns up to size rows, and the continuation for the rows behind them, which is empty at the end. A document
// that is there all the time is in exactly one page, whatever comes and goes around it. from is the continuation of the
// page before, empty for the first; text is what the query was parsed from. Error: ErrContinuation.
func (q *Query) Page(source Source, text, from string, size int) (rows []map[string]any, next string, err error) {
	at := continuation{Query: fingerprint(text)}
	if from != "" {
		if at, err = readContinuation(from, text); err != nil {
			return nil, "", err
		}
	}
	if q.aggregates() {
		rows, next = q.groupPage(source, at, size)
		return rows, next, nil
	}
	rows, next = q.page(source, at, size)
	return rows, next, nil
}

func (q *Query) page(source Source, at continuation, size int) (rows []map[string]any, next string) {
	rows = []map[string]any{}
	for key, document := range source(at.After) {
		if !q.Matches(document) {
			continue
		}
		if q.left(at.Rows) == 0 {
			return rows, ""
		}
		if len(rows) == size {
			return rows, at.String()
		}
		rows = append(rows, q.row(document))
		at.Rows++
		at.After = key
	}
	return rows, ""
}

func (q *Query) groupPage(source Source, at continuation, size int) (rows []map[string]any, next string) {
	all := q.groups(source(""))
	all = all[min(at.Rows, len(all)):]
	rows = all[:min(size, len(all), q.left(at.Rows))]
	at.Rows += len(rows)
	if len(all) > len(rows) && q.left(at.Rows) > 0 {
		next = at.String()
	}
	return rows, next
}

// left is how many rows TOP still allows when there were so many.
func (q *Query) left(rows int) int {
	if q.Top == 0 {
		return int(^uint(0) >> 1)
	}
	return max(0, q.Top-rows)
}

// String is the continuation as callers get it.
func (c continuation) String() string {
	text, err := json.Marshal(c)
	if err != nil { // a struct of texts and a number
		panic("write JSON: " + err.Error())
	}
	return base64.StdEncoding.EncodeToString(text)
}

func fingerprint(query string) string {
	sum := sha256.Sum256([]byte(query))
	return hex.EncodeToString(sum[:8])
}

func readContinuation(from, query string) (continuation, error) {
	var c continuation
	text, err := base64.StdEncoding.DecodeString(from)
	if err == nil {
		err = json.Unmarshal(text, &c)
	}
	if err != nil || c.Query != fingerprint(query) || c.Rows < 0 {
		return continuation{}, ErrContinuation
	}
	return c, nil
}
