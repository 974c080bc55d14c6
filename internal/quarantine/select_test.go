package quarantine

import (
	"net/url"
	"reflect"
	"testing"
	"time"
)

func TestASelectionTakesWhatFulfilsEachCondition(t *testing.T) {
	at := time.Date(2026, 1, 31, 12, 0, 0, 5, time.UTC)
	r := Record{ID: 7, Reason: "rejected", Device: "pump-7", Time: at, State: Superseded}
	for name, c := range map[string]struct {
		s    Selection
		want bool
	}{
		"none":                {Selection{}, true},
		"all of them":         {Selection{[]uint64{3, 7}, "rejected", "pump-7", at, true}, true},
		"another id":          {Selection{IDs: []uint64{3}}, false},
		"another reason":      {Selection{Reason: "no-reply"}, false},
		"another device":      {Selection{Device: "pump-8"}, false},
		"a later time":        {Selection{Since: at.Add(1)}, false},
		"all of them but one": {Selection{[]uint64{7}, "no-reply", "pump-7", at, true}, false},
		"superseded":          {Selection{Superseded: true}, true},
	} {
		if got := c.s.Takes(r); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		again, err := ParseSelection(c.s.Values())
		if err != nil || !reflect.DeepEqual(again, c.s) {
			t.Errorf("%s: %+v became %+v, %v", name, c.s, again, err)
		}
	}
	if (Selection{Superseded: true}).Takes(Record{}) {
		t.Error("an open record counts as superseded")
	}
}

func TestASelectionThatCannotBeReadIsRefused(t *testing.T) {
	many := url.Values{}
	for range MostIDs + 1 {
		many.Add("id", "1")
	}
	for name, v := range map[string]url.Values{
		"too many ids": many, "no id": {"id": {"x"}}, "id 0": {"id": {"0"}}, "no time": {"since": {"yesterday"}}, "no truth": {"superseded": {"perhaps"}},
	} {
		if s, err := ParseSelection(v); err == nil {
			t.Errorf("%s: %+v", name, s)
		}
	}
}
