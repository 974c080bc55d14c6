package quarantine

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// Selection says which records are meant: those that fulfil every condition it has. The zero Selection has none, and means
// all.
type Selection struct {
	IDs        []uint64
	Reason     string
	Device     string
	Since      time.Time // put aside then or later
	Superseded bool      // only those whose replay found newer values
}

// IsAll reports whether the selection has no condition.
func (s Selection) IsAll() bool {
	return len(s.IDs) == 0 && s.Reason == "" && s.Device == "" && s.Since.IsZero() && !s.Superseded
}

// Takes reports whether a record is meant.
func (s Selection) Takes(r Record) bool {
	return (len(s.IDs) == 0 || slices.Contains(s.IDs, r.ID)) && (s.Reason == "" || s.Reason == r.Reason) &&
		(s.Device == "" || s.Device == r.Device) && (s.Since.IsZero() || !r.Time.Before(s.Since)) &&
		(!s.Superseded || r.State == Superseded)
}

// MostIDs is how many records a selection may name.
const MostIDs = 100

// Values is the selection as parameters of a URL.
func (s Selection) Values() url.Values {
	v := url.Values{}
	for _, id := range s.IDs {
		v.Add("id", strconv.FormatUint(id, 10))
	}
	if s.Reason != "" {
		v.Set("reason", s.Reason)
	}
	if s.Device != "" {
		v.Set("device", s.Device)
	}
	if !s.Since.IsZero() {
		v.Set("since", s.Since.UTC().Format(time.RFC3339Nano))
	}
	if s.Superseded {
		v.Set("superseded", "true")
	}
	return v
}

// ParseSelection reads the parameters of a URL; those that are none of a selection are passed over.
func ParseSelection(v url.Values) (s Selection, err error) {
	if len(v["id"]) > MostIDs {
		return s, fmt.Errorf("more than %d ids", MostIDs)
	}
	for _, text := range v["id"] {
		id, err := strconv.ParseUint(text, 10, 64)
		if err != nil || id == 0 {
			return s, fmt.Errorf("id %.30q is no id of a record", text)
		}
		s.IDs = append(s.IDs, id)
	}
	s.Reason, s.Device = v.Get("reason"), v.Get("device")
	if text := v.Get("since"); text != "" {
		if s.Since, err = time.Parse(time.RFC3339, text); err != nil {
			return s, errors.New("since: want a time such as 2026-01-31T12:00:00Z")
		}
	}
	if text := v.Get("superseded"); text != "" {
		if s.Superseded, err = strconv.ParseBool(text); err != nil {
			return s, errors.New("superseded: want true or false")
		}
	}
	return s, nil
}
