package hub_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"azx/internal/access"
	"azx/internal/delivery"
	"azx/internal/fault"
	"azx/internal/hub"
	"azx/internal/secret"
)

func TestAnotherKeySignsWhatIsOpenedFromThenOnAndWhatIsOpenGoesOn(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		policy, _ := s.Hub.Policy("service")
		var key atomic.Pointer[string]
		key.Store(&policy.PrimaryKey)
		opened := s.resolve(t)
		c := s.open(t, func(o *hub.Options) {
			o.Current = func() (access.Endpoint, error) {
				e := opened
				e.Key = secret.New(*key.Load())
				return e, nil
			}
		})
		first := s.receiver(t, c, hub.Earliest())
		s.send(t, "a")
		last := take(t, first, 1)[0]

		wrong := "d3Jvbmcga2V5IG9mIGEgdGVzdA=="
		key.Store(&wrong)
		refused := s.receiver(t, c, hub.Earliest())
		if _, err := refused.Receive(within(t)); fault.ClassOf(err) != fault.Credential {
			t.Errorf("with a wrong key: %v", err)
		}
		if _, err := c.Partitions(within(t)); fault.ClassOf(err) != fault.Credential {
			t.Errorf("with a wrong key: %v", err)
		}
		s.send(t, "b")
		last = take(t, first, 1)[0]

		late := s.receiver(t, c, hub.Earliest())
		key.Store(&policy.SecondaryKey)
		// The SDK's has signed already: it is to be opened anew. The fast one signs when it opens its link.
		if _, err := late.Receive(within(t)); (err == nil) != (s.kind == hub.Fast) || fault.ClassOf(err) != fault.Transient {
			t.Errorf("with a wrong key that was replaced meanwhile: %v", err)
		}
		if err := first.Close(within(t)); err != nil {
			t.Fatal(err)
		}
		s.send(t, "c")
		second := s.receiver(t, c, hub.After(delivery.Checkpoint{Sequence: last.Sequence, Offset: last.Offset, Enqueued: last.Enqueued}))
		if got := bodies(take(t, second, 1)); fmt.Sprint(got) != "[c]" {
			t.Errorf("with the other key: %q", got)
		}
		if _, err := c.Partitions(within(t)); err != nil {
			t.Error(err)
		}
	})
}

func TestAKeyOfAnotherEventHubIsNotTaken(t *testing.T) {
	each(t, func(t *testing.T, s *site) {
		opened := s.resolve(t)
		var current atomic.Pointer[access.Endpoint]
		current.Store(&opened)
		c := s.open(t, func(o *hub.Options) {
			o.Current = func() (access.Endpoint, error) {
				if e := current.Load(); e != nil {
					return *e, nil
				}
				return access.Endpoint{}, errors.New("the file is not there")
			}
		})
		other := opened
		other.EventHub, other.Key = "elsewhere", secret.New("x")
		for _, e := range []*access.Endpoint{&other, nil} {
			current.Store(e)
			if _, err := c.Receiver("0", hub.Earliest(), 0); err == nil {
				t.Error("a receiver is opened")
			}
			if _, err := c.Partitions(context.Background()); err == nil {
				t.Error("partitions are listed")
			}
		}
	})
}
