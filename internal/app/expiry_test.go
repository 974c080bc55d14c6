package app

import (
	"testing"
	"time"

	"azx/alwayson"
	"azx/alwayson/infotable"
)

func TestAnApplicationKeyThatExpiresSoonIsToldOnceForEachEnd(t *testing.T) {
	s := newSite(t)
	ends := func(in time.Duration) {
		s.platform.with(func() {
			s.platform.refuse["azx-key/GetExpirationDate"] = alwayson.Result(infotable.DateTime(time.Now().Add(in).UnixMilli()))
		})
	}
	s.platform.refuse["azx-none/GetExpirationDate"] = alwayson.Refuse(alwayson.NotFound, "there is no such key")
	ends(30 * 24 * time.Hour)
	p := s.run(s.config())
	s.untilReady(p)
	s.edit("appKey: "+testKey, "appKey: "+testKey+", appKeyName: azx-key")
	if r := s.reload(); r.paths() != "[platform.appKeyName] []" {
		t.Fatalf("got %+v", r)
	}
	named := s.text()
	again := func() { // what asks again, beside the hour
		t.Helper()
		s.edit("azx-key", "azx-none")
		s.reload()
		s.rewrite(named)
		s.reload()
	}
	if n := len(s.log.lines("event=key-expires")); n != 0 {
		t.Errorf("thirty days before, it is told %d times", n)
	}
	ends(time.Hour)
	again()
	again()
	if n := len(s.log.lines("event=key-expires", "key=azx-key", "level=WARN")); n != 1 {
		t.Errorf("an hour before, it is told %d times", n)
	}
	s.log.until(t, "event=key-expiry-unknown", "azx-none")
	s.keepsSecrets()
}
