package iothub

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

func send(t *testing.T, h *Hub, id ID, m CloudMessage) {
	t.Helper()
	if err := h.SendToDevice(id, m); err != nil {
		t.Fatal(err)
	}
}

// outboxRig is a device with its queue, in the time of a bubble.
func outboxRig(t *testing.T) (*Hub, *Outbox) {
	t.Helper()
	h := newHub(t, Config{Clock: time.Now, FeedbackDelay: time.Millisecond})
	o, err := h.Outbox(mustAdd(t, h, ID{Device: "d1"}).ID)
	if err != nil {
		t.Fatal(err)
	}
	return h, o
}

func mustReceive(t *testing.T, o *Outbox) Delivery {
	t.Helper()
	d, ok := o.Receive()
	if !ok {
		t.Fatal("no message")
	}
	return d
}

func TestMessagesToDevicesAreChecked(t *testing.T) {
	h := newHub(t, Config{})
	d := mustAdd(t, h, ID{Device: "d1"})
	m := mustAdd(t, h, ID{Device: "d1", Module: "m1"})
	for name, c := range map[string]struct {
		to   ID
		m    CloudMessage
		want Code
	}{
		"of 64 KB":                        {d.ID, CloudMessage{Message: Message{Body: make([]byte, MaxCloudMessage)}}, 0},
		"over 64 KB":                      {d.ID, CloudMessage{Message: Message{Body: make([]byte, MaxCloudMessage+1)}}, MessageTooLarge},
		"that expires in two days":        {d.ID, CloudMessage{Expires: noon.Add(48 * time.Hour)}, 0},
		"that expires later":              {d.ID, CloudMessage{Expires: noon.Add(48*time.Hour + 1)}, ArgumentInvalid},
		"with an unknown ack":             {d.ID, CloudMessage{Ack: "some"}, ArgumentInvalid},
		"with an id of 129 characters":    {d.ID, CloudMessage{Message: Message{MessageID: strings.Repeat("x", 129)}}, ArgumentInvalid},
		"to a device the hub has not":     {ID{Device: "no"}, CloudMessage{}, DeviceNotFound},
		"to a module, which takes none":   {m.ID, CloudMessage{}, InvalidOperation},
		"to a module the device has not":  {ID{Device: "d1", Module: "no"}, CloudMessage{}, ModuleNotFound},
		"with feedback and without an id": {d.ID, CloudMessage{Ack: AckFull}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			err := h.SendToDevice(c.to, c.m)
			if c.want != 0 {
				wantCode(t, err, c.want)
			} else if err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTheFiftyFirstMessageIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, o := outboxRig(t)
		for range MaxQueued {
			send(t, h, o.identity.ID, CloudMessage{})
		}
		locked := mustReceive(t, o)
		wantCode(t, h.SendToDevice(o.identity.ID, CloudMessage{}), QueueDepthExceeded)
		if err := o.Complete(locked.LockToken); err != nil {
			t.Fatal(err)
		}
		send(t, h, o.identity.ID, CloudMessage{})
		<-time.After(time.Hour)
		if n := o.Count(); n != 0 {
			t.Errorf("after an hour %d messages are left", n)
		}
	})
}

func TestALockLastsAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, o := outboxRig(t)
		send(t, h, o.identity.ID, CloudMessage{})
		start := time.Now()
		first := mustReceive(t, o)
		second, err := o.Next(t.Context())
		if err != nil || time.Since(start) != lockTime || second.SequenceNumber != first.SequenceNumber {
			t.Fatalf("it came again after %s, %v", time.Since(start), err)
		}
		if second.DeliveryCount != 0 {
			t.Errorf("a lock that was lost counts: %d", second.DeliveryCount)
		}
		wantCode(t, o.Complete(first.LockToken), MessageLockLost)
		if err := o.Complete(second.LockToken); err != nil || o.Count() != 0 {
			t.Errorf("%v, %d left", err, o.Count())
		}
	})
}

func TestOutcomesAreReportedAsTheSenderWants(t *testing.T) {
	ways := map[Outcome]func(o *Outbox) error{
		Success:  func(o *Outbox) error { d, _ := o.Receive(); return o.Complete(d.LockToken) },
		Rejected: func(o *Outbox) error { d, _ := o.Receive(); return o.Reject(d.LockToken) },
		Purged:   func(o *Outbox) error { o.Purge(); return nil },
		Expired:  func(*Outbox) error { <-time.After(time.Hour); return nil },
		DeliveryCountExceeded: func(o *Outbox) error {
			for range maxDeliveries {
				d, _ := o.Receive()
				if err := o.Abandon(d.LockToken); err != nil {
					return err
				}
			}
			return nil
		},
	}
	for outcome, way := range ways {
		for _, ack := range []Ack{"", AckNone, AckPositive, AckNegative, AckFull} {
			t.Run(fmt.Sprintf("%s with ack %q", outcome, ack), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h, o := outboxRig(t)
					send(t, h, o.identity.ID, CloudMessage{Message: Message{MessageID: "m-1"}, Ack: ack})
					if err := way(o); err != nil {
						t.Fatal(err)
					}
					h.Feedback().Receive() // looks for expired messages, whose records wait for others as long as any
					<-time.After(time.Second)
					b, ok := h.Feedback().Receive()
					wanted := ack == AckFull || ack == AckPositive && outcome == Success || ack == AckNegative && outcome != Success
					if ok != wanted {
						t.Fatalf("feedback: %v, want %v", ok, wanted)
					}
					if ok && (len(b.Records) != 1 || b.Records[0].StatusCode != outcome || b.Records[0].OriginalMessageID != "m-1" ||
						b.Records[0].DeviceGeneration != o.identity.GenerationID) {
						t.Fatalf("got %s", b.Body())
					}
					if o.Count() != 0 {
						t.Errorf("%d messages are left", o.Count())
					}
				})
			})
		}
	}
}

func TestFeedbackIsOneQueueForAllReaders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub(t, Config{Clock: time.Now})
		o, err := h.Outbox(mustAdd(t, h, ID{Device: "d1"}).ID)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for i := range feedbackBatch + 1 {
			send(t, h, o.identity.ID, CloudMessage{Message: Message{MessageID: fmt.Sprint(i)}, Ack: AckFull})
			if err := o.Complete(mustReceive(t, o).LockToken); err != nil {
				t.Fatal(err)
			}
		}
		full, ok := h.Feedback().Receive()
		if !ok || len(full.Records) != feedbackBatch {
			t.Fatalf("%d records at once, %v", len(full.Records), ok)
		}
		rest, err := h.Feedback().Next(t.Context())
		if err != nil || len(rest.Records) != 1 || time.Since(start) != feedbackDelay {
			t.Fatalf("%d records after %s, %v", len(rest.Records), time.Since(start), err)
		}
		if err := h.Feedback().Complete(full.LockToken); err != nil {
			t.Error(err)
		}
		if err := h.Feedback().Release(rest.LockToken); err != nil {
			t.Error(err)
		}
		again, err := h.Feedback().Next(t.Context())
		if err != nil || again.Records[0] != rest.Records[0] {
			t.Errorf("got %+v, %v", again, err)
		}
		<-time.After(lockTime)
		wantCode(t, h.Feedback().Complete(again.LockToken), MessageLockLost)
		var records []map[string]string
		if err := json.Unmarshal(again.Body(), &records); err != nil || records[0]["statusCode"] != "Success" || records[0]["deviceId"] != "d1" {
			t.Errorf("body %s, %v", again.Body(), err)
		}
	})
}

// The queue against a model: a list of numbers, of which some are locked.
func TestALockQueueKeepsOrderAndLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q lockQueue[int]
		now, next := noon, 0
		var model []int
		locks := map[int]string{}
		ends := map[int]time.Time{}
		held := func(n int) bool { return now.Before(ends[n]) }
		pick := func(t *rapid.T) (n int, item *queued[int]) {
			if len(model) == 0 {
				return 0, nil
			}
			n = rapid.SampledFrom(model).Draw(t, "item")
			item = q.locked(locks[n], now)
			if (item != nil) != (held(n) && locks[n] != "") {
				t.Fatalf("item %d: locked %v, want %v", n, item != nil, held(n))
			}
			return n, item
		}
		t.Repeat(map[string]func(*rapid.T){
			"push": func(*rapid.T) { q.push(next); model = append(model, next); next++ },
			"take": func(t *rapid.T) {
				want := slices.IndexFunc(model, func(n int) bool { return !held(n) })
				item := q.take(now)
				if (item == nil) != (want < 0) || item != nil && item.value != model[want] {
					t.Fatalf("took %+v, want the item at %d of %v", item, want, model)
				}
				if item != nil {
					locks[item.value], ends[item.value] = item.token, now.Add(lockTime)
				}
			},
			"remove": func(t *rapid.T) {
				if n, item := pick(t); item != nil {
					q.remove(item)
					model = slices.DeleteFunc(model, func(m int) bool { return m == n })
				}
			},
			"release": func(t *rapid.T) {
				if n, item := pick(t); item != nil {
					q.release(item)
					delete(ends, n)
					delete(locks, n)
				}
			},
			"wait": func(t *rapid.T) { now = now.Add(time.Duration(rapid.IntRange(1, 90).Draw(t, "seconds")) * time.Second) },
			"": func(t *rapid.T) {
				var values []int
				for _, item := range q.items {
					values = append(values, item.value)
				}
				if !slices.Equal(values, model) {
					t.Fatalf("the queue has %v, want %v", values, model)
				}
			},
		})
	})
}
