package platform

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"azx/alwayson/infotable"
)

// happening is one change of the platform, and how long it lasts or is left alone.
type happening struct {
	what    string
	seconds int
}

// Whatever happens to the platform, when it has come to rest for a while the last group that was a name is bound or,
// if the platform ignores groups, the Things.
func TestWhateverHappensTheRightNamesAreBound(t *testing.T) {
	what := []string{"Hub", "plant", "line", "", " ", "lose", "wait", "busy", "ignore", "device"}
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) happening {
			return happening{rapid.SampledFrom(what).Draw(rt, "what"), rapid.IntRange(0, 150).Draw(rt, "seconds")}
		}), 1, 15).Draw(rt, "steps")
		if complaint := bindUnder(t, steps); complaint != "" {
			rt.Fatal(complaint)
		}
	})
}

func bindUnder(t *testing.T, steps []happening) (complaint string) {
	bound(t, newBindPlatform("dev-0", "dev-1"), nil, func(_ *testing.T, b *binding) {
		p := b.bindPlatform
		synctest.Wait()
		valid, session := "Hub", uint32(1)
		for _, step := range steps {
			lasts := time.Duration(step.seconds) * time.Second
			switch step.what {
			case "lose":
				p.drop()
				pass(lasts)
				session++
				p.connect(session)
				b.Recheck()
			case "wait":
				pass(lasts)
			case "busy":
				p.with(func() { p.busy = true })
				pass(lasts)
				p.with(func() { p.busy = false })
			case "ignore":
				p.with(func() { p.ignores = true })
			case "device":
				p.with(func() { p.devices = append(p.devices, fmt.Sprintf("dev-%d", len(p.devices))) })
			default:
				p.with(func() { p.group = infotable.String(step.what) })
				if strings.TrimSpace(step.what) != "" {
					valid = step.what
				}
				pass(lasts)
			}
		}
		p.with(func() { p.group = infotable.String(valid) })
		pass(5 * time.Minute)
		synctest.Wait()
		want := valid
		if p.ignores {
			want = strings.Join(append([]string{"Hub"}, p.devices...), " ")
		}
		s := b.Binder.State()
		if got := b.boundNames(); got != want || s.Err != nil || s.Since.IsZero() || s.Ignored != p.ignores {
			complaint = fmt.Sprintf("bound is %q, want %q; %+v; log %q", got, want, s, p.log)
		}
	})
	return complaint
}
