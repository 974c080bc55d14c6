package platform

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"azx/alwayson/infotable"
	"azx/internal/fault"
)

func TestTheRoutingGroupIsBoundOnce(t *testing.T) {
	for _, tc := range []struct {
		name   string
		group  infotable.Value
		change func(*BinderConfig)
		adjust func(*bindPlatform)
		want   string
	}{
		{name: "a fresh hub Thing, whose default text it has resolved", group: infotable.String("Hub"), want: "Hub"},
		{name: "a custom group", group: infotable.String("plant"), want: "plant"},
		{name: "a group of the file, whatever the Thing says", group: infotable.String("plant"), want: "plant",
			change: func(c *BinderConfig) { c.Group = "plant" }},
		{name: "a hub Thing without the service has its own name", group: infotable.String("Hub"), want: "Hub",
			adjust: func(p *bindPlatform) { p.noService = true }, change: func(c *BinderConfig) { c.Mode = BindGroup }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := newBindPlatform("dev-0", "dev-1")
			p.group = tc.group
			if tc.adjust != nil {
				tc.adjust(p)
			}
			bound(t, p, tc.change, func(t *testing.T, b *binding) {
				pass(10 * time.Minute)
				b.want(t, tc.want)
				s := b.Binder.State()
				if n := p.calls("bind " + tc.want); n != 1 || !s.ByGroup || s.Ignored || s.Group != tc.want || s.Since.IsZero() || s.Err != nil {
					t.Errorf("%d binds, state %+v", n, s)
				}
				if s.Mode == BindAuto && !s.Verified {
					t.Error("the bind is not verified")
				}
			})
		})
	}
}

func TestAGroupThatIsNoNameRefusesTheStart(t *testing.T) {
	for _, tc := range []struct {
		name  string
		group infotable.Value
		file  string
		want  string
	}{
		{"null", infotable.Nothing(), "", "read the routing group of hub Thing Hub: the routing group is null"},
		{"empty", infotable.String(""), "", "read the routing group of hub Thing Hub: the routing group is empty"},
		{"blank", infotable.String(" \t"), "", "read the routing group of hub Thing Hub: the routing group is blank"},
		{"a number", infotable.Number(1), "", "read the routing group of hub Thing Hub: the routing group is a NUMBER, not a text"},
		{"blank in the file", infotable.String("Hub"), "  ", "read routingGroup of hub Hub in the file: the routing group is blank"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newBindPlatform("dev-0")
				p.group = tc.group
				b, err := NewBinder(BinderConfig{Hub: "Hub", Socket: p, Group: tc.file})
				if err == nil {
					err = b.Run(t.Context())
				}
				if err == nil || err.Error() != tc.want || fault.ClassOf(err) != fault.Fatal || fault.HintOf(err) == "" {
					t.Errorf("got %v, class %s, hint %q", err, fault.ClassOf(err), fault.HintOf(err))
				}
				if p.calls("bind") != 0 {
					t.Errorf("something was bound: %q", p.log)
				}
			})
		})
	}
}

func TestTheStartWaitsForAPlatformThatCannotTellTheGroupYet(t *testing.T) {
	p := newBindPlatform("dev-0")
	p.busy = true
	bound(t, p, nil, func(t *testing.T, b *binding) {
		pass(5 * time.Minute)
		b.want(t, "")
		if n := b.log.count("routing-group-unknown"); n != 1 {
			t.Errorf("said %d times that the group is unknown", n)
		}
		p.with(func() { p.busy = false })
		pass(time.Minute)
		b.want(t, "Hub")
	})
}

func TestAStopWhileTheGroupIsUnknownIsNoError(t *testing.T) {
	p := newBindPlatform()
	p.session = 0
	bound(t, p, nil, func(*testing.T, *binding) { pass(time.Minute) })
}

func TestAGroupClearedWhileRunningIsRefusedOnceAndTheOldOneStays(t *testing.T) {
	p := newBindPlatform("dev-0")
	p.group = infotable.String("plant")
	bound(t, p, func(c *BinderConfig) { c.Mode = BindGroup }, func(t *testing.T, b *binding) {
		b.want(t, "plant")
		for _, cleared := range []infotable.Value{infotable.String(""), infotable.String("")} {
			p.with(func() { p.group = cleared })
			pass(5 * time.Minute)
		}
		b.want(t, "plant")
		if n := b.log.count("routing-group-refused"); n != 1 {
			t.Errorf("the refusal was told %d times", n)
		}
		p.with(func() { p.group = infotable.String("plant") })
		pass(2 * time.Minute)
		p.with(func() { p.group = infotable.String("") })
		pass(2 * time.Minute)
		b.want(t, "plant")
		if n := b.log.count("routing-group-refused"); n != 2 || p.calls("bind plant") != 1 {
			t.Errorf("the second refusal was told %d times; log %q", n, p.log)
		}
	})
}

func TestAChangedGroupTakesThePlaceOfTheOldOne(t *testing.T) {
	p := newBindPlatform("dev-0")
	bound(t, p, nil, func(t *testing.T, b *binding) {
		b.want(t, "Hub")
		p.with(func() { p.group = infotable.String("plant") })
		b.want(t, "Hub")
		b.Recheck()
		b.want(t, "plant")
		p.with(func() { p.group = infotable.String("line") })
		pass(askGroupEvery + time.Second)
		b.want(t, "line")
		if s := b.Binder.State(); s.Group != "line" || !s.Verified || b.log.count("routing-group-changed") != 2 {
			t.Errorf("got %+v, log %q", s, b.log.events)
		}
	})
}

func TestAfterAReconnectTheGroupIsAskedForAndTheBindVerifiedAgain(t *testing.T) {
	p := newBindPlatform("dev-0")
	bound(t, p, nil, func(t *testing.T, b *binding) {
		b.want(t, "Hub")
		since := b.Binder.State().Since
		p.drop()
		pass(5 * time.Second)
		asked, pings := p.calls(routingGroupService), p.calls(pingService)
		p.with(func() { p.group = infotable.String("plant") })
		p.connect(2)
		b.Recheck()
		b.want(t, "plant")
		s := b.Binder.State()
		if p.calls(routingGroupService) != asked+1 || p.calls(pingService) == pings || !s.Verified || !s.Since.After(since) {
			t.Errorf("state %+v, log %q", s, p.log)
		}
	})
}

func TestWithoutAnyDeviceThingTheHubThingDecidesUntilOneIsMet(t *testing.T) {
	p := newBindPlatform()
	p.ignores = true
	bound(t, p, nil, func(t *testing.T, b *binding) {
		pass(10 * time.Minute)
		b.want(t, "Hub")
		if b.Binder.State().Ignored {
			t.Fatal("fell back without a device Thing")
		}
		b.Learned("Other", "OtherHub")
		p.with(func() { p.devices = []string{"met-1"} })
		b.Learned("met-1", "Hub")
		pass(pingTimeout + time.Second)
		b.want(t, "Hub met-1")
	})
}

func TestAGroupThatHasJustChangedIsNotGivenUp(t *testing.T) {
	p := newBindPlatform()
	bound(t, p, nil, func(t *testing.T, b *binding) {
		b.want(t, "Hub")
		p.with(func() { p.group, p.devices = infotable.String("plant"), []string{"dev-0"} })
		b.Learned("dev-0", "Hub")
		pass(2 * pingTimeout)
		b.want(t, "plant")
		if s := b.Binder.State(); s.Ignored || !s.Verified {
			t.Errorf("got %+v", s)
		}
	})
}

func TestAPlatformThatIgnoresGroupBindsGetsTheDevicesOneByOne(t *testing.T) {
	for name, change := range map[string]func(*bindPlatform){
		"and refuses what nobody carries":            func(p *bindPlatform) { p.ignores = true },
		"and keeps silent about what nobody carries": func(p *bindPlatform) { p.ignores, p.silent = true, true },
		"and does not know the group's name": func(p *bindPlatform) {
			p.ignores = true
			p.taken["plant"] = true
		},
		"or has no Ping and no list": func(p *bindPlatform) { p.noService = true },
	} {
		t.Run(name, func(t *testing.T) {
			p := newBindPlatform("dev-0", "dev-1", "dev-2")
			p.group = infotable.String("plant")
			change(p)
			if p.noService {
				p.group, p.devices = infotable.String("Hub"), nil
			}
			bound(t, p, nil, func(t *testing.T, b *binding) {
				b.Learned("met-1", "")
				pass(pingTimeout + 2*time.Second)
				want := "Hub dev-0 dev-1 dev-2 met-1"
				if p.noService {
					want = "Hub met-1"
				}
				b.want(t, want)
				pass(time.Hour)
				b.want(t, want)
				s := b.Binder.State()
				if b.ignored != 1 || b.log.count("group-bind-ignored") != 1 || !s.Ignored || s.ByGroup || s.Names != strings.Count(want, " ")+1 {
					t.Errorf("counted %d, said %d, state %+v", b.ignored, b.log.count("group-bind-ignored"), s)
				}
			})
		})
	}
}

func TestAPingThatArrivesCountsThoughItsCallIsNotAnswered(t *testing.T) {
	p := newBindPlatform("dev-0")
	p.ignores, p.silent = true, true
	bound(t, p, nil, func(t *testing.T, b *binding) {
		synctest.Wait()
		b.Pinged("dev-0")
		pass(time.Minute / 2)
		b.want(t, "Hub")
		if s := b.Binder.State(); !s.Verified {
			t.Errorf("got %+v", s)
		}
	})
}

func TestAConnectionLostWhilePingingDecidesNothing(t *testing.T) {
	p := newBindPlatform("dev-0")
	p.ignores, p.silent = true, true
	bound(t, p, nil, func(t *testing.T, b *binding) {
		pass(time.Second)
		p.drop()
		pass(time.Minute)
		p.with(func() { p.ignores = false })
		p.connect(2)
		b.Recheck()
		pass(time.Minute)
		b.want(t, "Hub")
		if s := b.Binder.State(); s.Ignored || !s.Verified {
			t.Errorf("got %+v", s)
		}
	})
}

func TestAGroupThatWorkedIsGivenUpOnlyIfTheHubThingStillAnswers(t *testing.T) {
	p := newBindPlatform("dev-0")
	bound(t, p, nil, func(t *testing.T, b *binding) {
		synctest.Wait()
		b.Learned("dev-0", "Hub") // which is pinged though the platform lists nothing now
		p.with(func() { p.busy = true })
		pass(10 * time.Minute)
		if b.Binder.State().Ignored {
			t.Fatal("a platform in trouble was taken for one that ignores groups")
		}
		p.with(func() { p.busy, p.ignores = false, true })
		pass(askGroupEvery + 2*pingTimeout)
		b.want(t, "Hub dev-0")
	})
}

func TestDevicesModeFollowsTheHubsDeviceThings(t *testing.T) {
	var many []string
	for i := range 2*devicesPage + 1 {
		many = append(many, fmt.Sprintf("dev-%04d", i))
	}
	p := newBindPlatform(many...)
	bound(t, p, func(c *BinderConfig) { c.Mode = BindDevices }, func(t *testing.T, b *binding) {
		b.want(t, "Hub "+strings.Join(many, " "))
		p.with(func() { p.devices = []string{"a", "c"} })
		pass(renewEvery + time.Second)
		b.want(t, "Hub a c")
		b.Learned("met-1", "Hub")
		b.want(t, "Hub a c met-1")
		pass(renewEvery) // the hub Thing knows better
		b.want(t, "Hub a c")
		b.Learned("met-2", "") // which it cannot know
		pass(2 * renewEvery)
		b.want(t, "Hub a c met-2")
		if p.calls(pingService) != 0 || b.Binder.State().Ignored {
			t.Error("devices mode pings")
		}
	})
}

func TestADeviceThatSomebodyElseBoundIsTakenOverOnceItIsFree(t *testing.T) {
	p := newBindPlatform("a", "b")
	p.taken["b"] = true
	bound(t, p, func(c *BinderConfig) { c.Mode = BindDevices }, func(t *testing.T, b *binding) {
		pass(5 * time.Minute)
		b.want(t, "Hub a")
		s := b.Binder.State()
		if b.log.count("bind-refused") != 1 || s.Err != nil || s.Refused != 1 || s.Names != 3 {
			t.Errorf("said %d times, state %+v", b.log.count("bind-refused"), s)
		}
		p.with(func() { delete(p.taken, "b") })
		pass(bindAgain + time.Second)
		b.want(t, "Hub a b")
		if s := b.Binder.State(); s.Refused != 0 || s.Since.IsZero() {
			t.Errorf("got %+v", s)
		}
	})
}

func TestAHubThingThatDoesNotExistIsWaitedFor(t *testing.T) {
	p := newBindPlatform("dev-0")
	p.noHub = true
	bound(t, p, nil, func(t *testing.T, b *binding) {
		pass(5 * time.Minute)
		b.want(t, "")
		if s := b.Binder.State(); s.Ignored || s.Err == nil || b.log.count("bind-refused") != 1 {
			t.Errorf("got %+v, log %q", s, b.log.events)
		}
		p.with(func() { p.noHub = false })
		pass(bindAgain + time.Second)
		b.want(t, "Hub")
	})
}

func TestABinderIsSetUpRightly(t *testing.T) {
	for name, cfg := range map[string]BinderConfig{
		"no hub Thing":   {Socket: newBindPlatform()},
		"no socket":      {Hub: "Hub"},
		"a strange mode": {Hub: "Hub", Socket: newBindPlatform(), Mode: "all"},
	} {
		if _, err := NewBinder(cfg); err == nil || !strings.HasPrefix(err.Error(), "set up binder: ") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}
