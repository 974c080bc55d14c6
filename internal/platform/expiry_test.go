package platform

import (
	"testing"
	"time"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/fault"
)

func TestAnApplicationKeySaysWhenItExpires(t *testing.T) {
	at := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	setup, socket := newSetup(map[string]alwayson.Response{
		"ends/GetExpirationDate":   alwayson.Result(infotable.DateTime(at.UnixMilli())),
		"never/GetExpirationDate":  alwayson.Result(infotable.Nothing()),
		"hidden/GetExpirationDate": alwayson.Refuse(alwayson.Forbidden, "not visible"),
	})
	if got, err := setup.KeyExpires(t.Context(), "ends"); !got.Equal(at) || err != nil {
		t.Errorf("got %s, %v", got, err)
	}
	if socket.seen[0].Entity != alwayson.ApplicationKey {
		t.Errorf("asked is %+v", socket.seen[0])
	}
	if got, err := setup.KeyExpires(t.Context(), "never"); !got.IsZero() || err != nil {
		t.Errorf("a key without an end: %s, %v", got, err)
	}
	for _, name := range []string{"hidden", "nobody"} {
		if _, err := setup.KeyExpires(t.Context(), name); fault.ClassOf(err) != fault.Fatal || fault.HintOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
