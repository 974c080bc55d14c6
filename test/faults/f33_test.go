package faults

import (
	"testing"
	"time"

	"azx/test/rig"
)

// TestF33AHubThatIsRefusedDoesNotStopTheOther gives the connector a second hub with a wrong key, later the right one, and
// kills that hub in the end.
func TestF33AHubThatIsRefusedDoesNotStopTheOther(t *testing.T) {
	const bad = "OtherHub"
	r, c, _ := start(t, rig.Options{})
	second := r.SecondHub(c, bad)
	const wrong = "d3Jvbmcga2V5IG9mIGEgdGVzdA=="
	r.WriteFile(bad+"-key", []byte("HostName="+second.Hub.HostName+";SharedAccessKeyName=service;SharedAccessKey="+wrong))
	c.Start()
	c.UntilUnready(30*time.Second, "hub open of "+bad)
	load := r.Load(300)
	r.Grows(recovery, 300)
	c.UntilUnready(time.Second, "hub open of "+bad)

	r.WriteFile(bad+"-key", []byte(second.Hub.ServiceConnectionString))
	c.Ready(90 * time.Second) // a key that is refused is tried again once a minute, a new one at once
	r.Grows(recovery, 300)
	second.HubProcess.Kill()
	c.UntilUnready(30*time.Second, "partitions read of "+bad)
	r.Grows(recovery, 300)
	second.RestartHub()
	c.UntilReady(4 * recovery)
	load.Stop()
	r.Verify(recovery)
	c.End(0)
	r.Judge()
	if n := r.Repeats(); n > 0 {
		t.Errorf("%d messages of the good hub were written again", n)
	}
}
