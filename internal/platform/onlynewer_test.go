package platform

import (
	"context"
	"testing"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/delivery"
)

// tellsTimes has the fake platform tell the time of the last value of each property.
func (b *bench) tellsTimes() {
	b.platform.hook = func(_ context.Context, r alwayson.Request) (alwayson.Response, bool, error) {
		if r.Target != propertyTimeService {
			return alwayson.Response{}, false, nil
		}
		name, _ := r.Params.First("propertyName").Text()
		answer := infotable.Nothing()
		b.platform.with(func() {
			for _, v := range b.platform.things[r.Name].values {
				if "p_"+v.Name == name {
					answer = infotable.DateTime(v.TimeMs)
				}
			}
		})
		return alwayson.Response{Code: alwayson.Success, Content: infotable.Single("result", answer)}, true, nil
	}
}

// again writes a message as of a time, unless there is a newer value.
func (b *bench) again(thing, body string, at int64) *result {
	b.t.Helper()
	r := &result{}
	telemetry := b.telemetry(thing, body)
	telemetry.Time = at
	b.writer.Write(&delivery.Queued{Telemetry: telemetry, Settle: r.settle, OnlyNewer: true})
	return r
}

func TestAMessageThatIsWrittenAgainReplacesNoValueThatIsAsNewOrNewer(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.platform.add("Pump", "a:NUMBER", "b:NUMBER")
		b.tellsTimes()
		b.want(b.again("Pump", `{"a":1}`, 5), "accepted") // there was none
		b.want(b.again("Pump", `{"a":2}`, 5), "superseded superseded")
		b.want(b.again("Pump", `{"a":3}`, 4), "superseded superseded")
		b.want(b.again("Pump", `{"a":4,"b":4}`, 4), "accepted") // b has no value yet
		b.want(b.again("Pump", `{"a":6}`, 6), "accepted")
		b.want(b.again("Pump", `{"a":7,"b":"text"}`, 6), "refused wrong-type")
		b.wantCalls("push", "push Pump a=1", "push Pump b=4", "push Pump a=6")
	})
}

func TestAMessageThatIsWrittenAgainIsComparedWithThoseThatWaitedBeforeIt(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.platform.add("Pump", "a:NUMBER")
		b.tellsTimes()
		b.sent = 10
		live := []*result{b.send("Pump", `{"a":1}`), b.send("Pump", `{"a":2}`)}
		old, newer := b.again("Pump", `{"a":3}`, 11), b.send("Pump", `{"a":4}`)
		b.want(old, "superseded superseded")
		for _, r := range append(live, newer) {
			b.want(r, "accepted")
		}
		b.wantCalls("push", "push Pump a=1 a=2", "push Pump a=4")
	})
}

func TestAMessageIsNotWrittenAgainWhereThePlatformDoesNotTellTheTime(t *testing.T) {
	inBubble(t, nil, func(b *bench) {
		b.platform.add("Pump", "a:NUMBER")
		b.want(b.again("Pump", `{"a":1}`, 5), "refused time-unknown")
		b.want(b.send("Pump", `{"a":2}`), "accepted")
		b.wantCalls("push", "push Pump a=2")
	})
}

func TestWithoutOurTemplateARemoteNameIsTheOwnOne(t *testing.T) {
	inBubble(t, func(c *WriterConfig) { c.AllowThings = []string{"Pump"} }, func(b *bench) {
		b.platform.add("Pump", "p_a:NUMBER").extension = false
		b.platform.hook = func(_ context.Context, r alwayson.Request) (alwayson.Response, bool, error) {
			name, _ := r.Params.First("propertyName").Text()
			at := infotable.Single("result", infotable.DateTime(9))
			return alwayson.Response{Code: alwayson.Success, Content: at}, r.Target == propertyTimeService && name == "p_a", nil
		}
		b.want(b.again("Pump", `{"p_a":1}`, 9), "superseded superseded")
		b.want(b.again("Pump", `{"p_a":1}`, 10), "accepted")
	})
}
