package iothub

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// modelMessage is a message as TestAQueueOnDiskIsWhatItWas expects it.
type modelMessage struct {
	id        string
	abandoned int
	token     string
	until     time.Time // of the lock
	expires   time.Time
}

// The queue of a device against a model, over restarts of the hub at any time.
func TestAQueueOnDiskIsWhatItWas(t *testing.T) {
	now := noon
	cfg := Config{Dir: t.TempDir(), NoSync: true, Clock: func() time.Time { return now }}
	h := newHub(t, cfg)
	devices := 0
	rapid.Check(t, func(r *rapid.T) {
		devices++
		id := mustAdd(t, h, ID{Device: fmt.Sprint("d", devices)}).ID
		var model []modelMessage
		sent := 0
		box := func() *Outbox {
			o, err := h.Outbox(id)
			if err != nil {
				r.Fatal(err)
			}
			return o
		}
		// settle does something with a message that was received, and reports whether the lock held, as it should.
		settle := func(r *rapid.T, how func(lockToken string) error) (i int, ok bool) {
			if len(model) == 0 {
				return 0, false
			}
			i = rapid.IntRange(0, len(model)-1).Draw(r, "message")
			held := model[i].token != "" && now.Before(model[i].until)
			if err := how(model[i].token); (err == nil) != held {
				r.Fatalf("message %+v at %v: %v", model[i], now, err)
			}
			return i, held
		}
		r.Repeat(map[string]func(*rapid.T){
			"send": func(r *rapid.T) {
				m := modelMessage{id: fmt.Sprint(sent), expires: now.Add(time.Duration(rapid.IntRange(1, 300).Draw(r, "life")) * time.Second)}
				err := h.SendToDevice(id, CloudMessage{Message: Message{MessageID: m.id}, Expires: m.expires})
				if (err == nil) != (len(model) < MaxQueued) {
					r.Fatalf("%d wait: %v", len(model), err)
				}
				if err == nil {
					model = append(model, m)
				}
				sent++
			},
			"receive": func(r *rapid.T) {
				want := slices.IndexFunc(model, func(m modelMessage) bool { return !now.Before(m.until) })
				d, ok := box().Receive()
				if ok != (want >= 0) || ok && (d.MessageID != model[want].id || d.DeliveryCount != model[want].abandoned) {
					r.Fatalf("received %+v, %v; want message %d of %+v", d, ok, want, model)
				}
				if ok {
					model[want].token, model[want].until = d.LockToken, now.Add(lockTime)
				}
			},
			"complete": func(r *rapid.T) {
				if i, ok := settle(r, box().Complete); ok {
					model = slices.Delete(model, i, i+1)
				}
			},
			"abandon": func(r *rapid.T) {
				if i, ok := settle(r, box().Abandon); ok {
					model[i].abandoned++
					model[i].token, model[i].until = "", time.Time{}
					if model[i].abandoned == maxDeliveries {
						model = slices.Delete(model, i, i+1)
					}
				}
			},
			"release": func(r *rapid.T) {
				if i, ok := settle(r, box().Release); ok {
					model[i].token, model[i].until = "", time.Time{}
				}
			},
			"wait": func(r *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 90).Draw(r, "seconds")) * time.Second)
				model = slices.DeleteFunc(model, func(m modelMessage) bool { return !now.Before(m.expires) })
			},
			"restart": func(*rapid.T) { h = reopen(t, h, cfg) },
			"": func(r *rapid.T) {
				if n := box().Count(); n != len(model) {
					r.Fatalf("%d messages, want %d", n, len(model))
				}
			},
		})
	})
}
