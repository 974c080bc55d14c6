package platform

import (
	"testing"
	"time"

	"azx/alwayson"
	"azx/alwayson/infotable"
)

// FuzzRequest reads what the platform asks, whatever bytes come.
func FuzzRequest(f *testing.F) {
	for _, r := range []alwayson.Request{
		alwayson.ReadProperty("Pump", "temp"), alwayson.WriteProperty("Pump", "temp", infotable.Number(1)),
		alwayson.CallService("Pump", "reboot", infotable.OneRow(infotable.Cell{Name: "n", Value: infotable.Integer(1)})),
	} {
		f.Add(byte(r.Code), alwayson.AppendRequest(nil, &r))
	}
	f.Fuzz(func(t *testing.T, code byte, body []byte) {
		r, err := alwayson.DecodeRequest(alwayson.Code(code), body, infotable.Limits{})
		if err != nil {
			return
		}
		got, err := requestOf(&r)
		if err != nil {
			if resp := refusal(err); !resp.Code.IsCallerFault() || len(resp.Reason) > maxReason {
				t.Errorf("refused with %s and %d bytes", resp.Code, len(resp.Reason))
			}
			return
		}
		if got.Thing != r.Name || got.Name != r.Target || got.Name == "" {
			t.Errorf("%+v became %+v", r, got)
		}
	})
}

// FuzzServices reads the declarations of services, whatever they hold.
func FuzzServices(f *testing.F) {
	f.Add("Restart", "reboot", "INFOTABLE", `[{"name":"a","baseType":"NUMBER"}]`, 2500.0)
	f.Add("Restart", "", "NOTHING", `{"a":[]}`, -1.0)
	f.Fuzz(func(t *testing.T, name, edge, result, fields string, timeout float64) {
		rows := serviceRows([]infotable.Value{infotable.String(name), infotable.String(edge), infotable.String(result),
			infotable.Text(infotable.TypeJSON, fields), infotable.Number(timeout)}).Content
		for key, s := range readServices(rows).byName {
			if key == "" || s.EdgeName != key || s.Timeout < 0 || s.Timeout > 24*time.Hour {
				t.Errorf("read %q %+v", key, s)
			}
			for _, field := range s.Fields {
				if field.Name == "" || !field.Type.OnWire() {
					t.Errorf("read column %+v", field)
				}
			}
		}
	})
}
