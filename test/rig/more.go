package rig

import (
	"fmt"

	"azx/test/process"
)

// SecondInstance gives a connector one more address of the platform, and the wire to it.
func (r *Rig) SecondInstance(c *Connector) *Wire {
	r.t.Helper()
	w := StartWire(r.t, c.Platform.target)
	r.Configure(c, func(config map[string]any) {
		platform := config["platform"].(map[string]any)
		platform["urls"] = append(platform["urls"].([]string), "ws://"+w.Address+"/Thingworx/WS")
	})
	return w
}

// SecondHub starts one more hub and gives it to a connector, under the hub Thing named. Its connection string is in the file
// THING-key of the rig's folder, which the case writes. The account knows nothing of its messages.
func (r *Rig) SecondHub(c *Connector, thing string) *process.Stack {
	r.t.Helper()
	other := r.AddHub("second", "plant2.azure-devices.net")
	r.secrets = append(r.secrets, keyOf(other.Hub.ServiceConnectionString))
	r.AddHubThing(thing)
	r.Configure(c, func(config map[string]any) {
		config["hubs"] = append(config["hubs"].([]any), map[string]any{
			"thing": thing, "connectionString": "${file:" + thing + "-key}", "caFile": other.Hub.CA,
			"endpoints": map[string]any{
				"amqps": fmt.Sprintf("127.0.0.1:%d", other.Hub.Ports.AMQPS), "https": fmt.Sprintf("127.0.0.1:%d", other.Hub.Ports.HTTPS),
			},
		})
	})
	return other
}
