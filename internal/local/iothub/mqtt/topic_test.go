package mqtt

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"azx/internal/local/iothub"
)

var (
	d1   = iothub.ID{Device: "d1"}
	d1m1 = iothub.ID{Device: "d1", Module: "m1"}
)

func TestPublicationTopics(t *testing.T) {
	for name, c := range map[string]struct {
		id    iothub.ID
		topic string
		want  topic
		bad   bool
	}{
		"telemetry without properties":         {d1, "devices/d1/messages/events/", topic{}, false},
		"telemetry without a slash":            {d1, "devices/d1/messages/events", topic{}, false},
		"telemetry with properties":            {d1, "devices/d1/messages/events/a=1&%24.ct=x", topic{bag: "a=1&%24.ct=x"}, false},
		"a module's output ends with a slash":  {d1m1, "devices/d1/modules/m1/messages/events/%24.on=out1/", topic{bag: "%24.on=out1"}, false},
		"an escaped device id":                 {iothub.ID{Device: "a$b"}, "devices/a%24b/messages/events/", topic{}, false},
		"a twin read":                          {d1, "$iothub/twin/GET/?$rid=7", topic{kind: twinGet, requestID: "7"}, false},
		"a twin update":                        {d1, "$iothub/twin/PATCH/properties/reported/?$rid=8&$version=2", topic{kind: twinPatch, requestID: "8"}, false},
		"a method's reply":                     {d1, "$iothub/methods/res/200/?$rid=1", topic{kind: methodReply, requestID: "1", status: 200}, false},
		"a reply whose status is no number":    {d1, "$iothub/methods/res/ok/?$rid=1", topic{}, true},
		"another device's telemetry":           {d1, "devices/d2/messages/events/", topic{}, true},
		"a device whose id begins alike":       {d1, "devices/d10/messages/events/", topic{}, true},
		"another word behind events":           {d1, "devices/d1/messages/eventsx/", topic{}, true},
		"a module's telemetry from its device": {d1, "devices/d1/modules/m1/messages/events/", topic{}, true},
		"a device's telemetry from its module": {d1m1, "devices/d1/messages/events/", topic{}, true},
		"a message to itself":                  {d1, "devices/d1/messages/devicebound/", topic{}, true},
		"an answer in the hub's name":          {d1, "$iothub/twin/res/200/?$rid=1", topic{}, true},
		"any other topic":                      {d1, "home/kitchen", topic{}, true},
		"no topic":                             {d1, "", topic{}, true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseTopic(c.id, c.topic)
			if c.bad != errors.Is(err, errTopic) || got != c.want {
				t.Fatalf("got %+v, %v; want %+v, bad=%v", got, err, c.want, c.bad)
			}
		})
	}
}

func TestSubscriptions(t *testing.T) {
	for name, c := range map[string]struct {
		id     iothub.ID
		filter string
		want   bool
	}{
		"messages to the device":              {d1, "devices/d1/messages/devicebound/#", true},
		"twin answers":                        {d1, "$iothub/twin/res/#", true},
		"desired properties":                  {d1, "$iothub/twin/PATCH/properties/desired/#", true},
		"methods":                             {d1, "$iothub/methods/POST/#", true},
		"a module's inputs":                   {d1m1, "devices/d1/modules/m1/#", true},
		"one input of a module":               {d1m1, "devices/d1/modules/m1/inputs/#", true},
		"everything":                          {d1, "#", false},
		"everything of all devices":           {d1, "devices/#", false},
		"messages to any device":              {d1, "devices/+/messages/devicebound/#", false},
		"another device's messages":           {d1, "devices/d2/messages/devicebound/#", false},
		"the device's modules":                {d1, "devices/d1/#", false},
		"the device from its module":          {d1m1, "devices/d1/messages/devicebound/#", false},
		"another module":                      {d1m1, "devices/d1/modules/m2/#", false},
		"everything of the hub":               {d1, "$iothub/#", false},
		"the broker's statistics":             {d1, "$SYS/#", false},
		"a shared subscription":               {d1, "$share/g/devices/d1/messages/devicebound/#", false},
		"a device whose id is a wildcard":     {iothub.ID{Device: "+"}, "devices/+/messages/devicebound/#", false},
		"a module of a device that is a hash": {iothub.ID{Device: "#", Module: "m"}, "devices/#/modules/m/#", false},
	} {
		t.Run(name, func(t *testing.T) {
			if got := maySubscribe(c.id, c.filter); got != c.want {
				t.Fatalf("%q by %q: got %v, want %v", c.filter, c.id, got, c.want)
			}
		})
	}
}

func TestBags(t *testing.T) {
	full := &iothub.Message{MessageID: "m-1", CorrelationID: "c", UserID: "u", To: "t", ContentType: "application/json",
		ContentEncoding: "utf-8", OutputName: "out1", Subject: "s", InterfaceID: "i",
		Properties: map[string]string{"iothub-creation-time-utc": "2026-01-02T03:04:05Z", "k": "v"}}
	for name, c := range map[string]struct {
		bag  string
		want *iothub.Message
	}{
		"an empty bag": {"", &iothub.Message{Properties: map[string]string{}}},
		"system properties by escaped names": {"%24.mid=m-1&%24.cid=c&%24.uid=u&%24.to=t&%24.ct=application%2Fjson&%24.ce=utf-8&%24.on=out1" +
			"&%24.sub=s&%24.ifid=i&%24.ctime=2026-01-02T03%3A04%3A05Z&k=v", full},
		"system properties by plain names": {"$.mid=m-1&$.cid=c&$.uid=u&$.to=t&$.ct=application%2fjson&$.ce=utf-8&$.on=out1" +
			"&$.sub=s&$.ifid=i&iothub-creation-time-utc=2026-01-02T03:04:05Z&k=v&$.exp=1", full},
		"a leading question mark":   {"?k=v", &iothub.Message{Properties: map[string]string{"k": "v"}}},
		"an escaped name and value": {"a%26b=c%3Dd%20e", &iothub.Message{Properties: map[string]string{"a&b": "c=d e"}}},
		"a plus sign stays":         {"k=1+1", &iothub.Message{Properties: map[string]string{"k": "1+1"}}},
		"a name without a value":    {"k", &iothub.Message{Properties: map[string]string{"k": ""}}},
		"a bad escape":              {"k=%zz", nil},
		"a value without a name":    {"=v", nil},
		"a pair that is empty":      {"a=1&&b=2", nil},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseBag(c.bag)
			if (c.want == nil) != errors.Is(err, errBag) || c.want != nil && !reflect.DeepEqual(got, c.want) {
				t.Fatalf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestHellos(t *testing.T) {
	names, err := iothub.NewNames("plant1.azure-devices.net")
	if err != nil {
		t.Fatal(err)
	}
	const host, api = "plant1.azure-devices.net", "?api-version=2021-04-12"
	for name, c := range map[string]struct {
		client, user string
		want         hello
		says         string
	}{
		"a device":                        {"d1", host + "/d1/" + api, hello{id: d1}, ""},
		"a module":                        {"d1/m1", host + "/d1/m1/" + api + "&DeviceClientType=azure-iot-device%2F1.18.4", hello{id: d1m1}, ""},
		"a host with a port":              {"d1", host + ":18883/d1/" + api, hello{id: d1}, ""},
		"a model id":                      {"d1", host + "/d1/" + api + "&model-id=dtmi%3Aa%3Ab%3B1", hello{id: d1, modelID: "dtmi:a:b;1"}, ""},
		"options without a question mark": {"d1", host + "/d1/api-version=2016-11-14", hello{id: d1}, ""},
		"an id with a question mark":      {"a?b", host + "/a?b/" + api, hello{id: iothub.ID{Device: "a?b"}}, ""},
		"an escaped id":                   {"a$b", host + "/a%24b/" + api, hello{id: iothub.ID{Device: "a$b"}}, ""},
		"another hub":                     {"d1", "plant2.azure-devices.net/d1/" + api, hello{}, "is for hub"},
		"another device":                  {"d1", host + "/d2/" + api, hello{}, "client id"},
		"no api version":                  {"d1", host + "/d1/", hello{}, "api-version"},
		"no slash behind the device":      {"d1", host + "/d1" + api, hello{}, "a slash"},
		"no user name":                    {"d1", "", hello{}, "is for hub"},
		"no client id":                    {"", host + "//" + api, hello{}, "bad id"},
		"a client id of three parts":      {"a/b/c", host + "/a/b/c/" + api, hello{}, "bad id"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseHello(names, c.client, c.user)
			if got != c.want || (c.says == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Fatalf("got %+v, %v; want %+v, %q", got, err, c.want, c.says)
			}
		})
	}
}

func FuzzTopic(f *testing.F) {
	f.Add("d1", "", "devices/d1/messages/events/a=1&%24.ct=x")
	f.Add("d1", "m1", "devices/d1/modules/m1/messages/events/%24.on=o/")
	f.Add("+", "", "$iothub/twin/GET/?$rid=1")
	f.Fuzz(func(t *testing.T, device, module, name string) {
		id := iothub.ID{Device: device, Module: module}
		if id.Check() != nil {
			return
		}
		if maySubscribe(id, name) && !strings.HasPrefix(name, "$iothub/") {
			if !strings.HasPrefix(name, id.Path()+"/") && !strings.HasPrefix(name, escaped(id).Path()+"/") {
				t.Fatalf("%q may subscribe to %q", id, name)
			}
		}
		if got, err := parseTopic(id, name); err == nil && got.kind == telemetry && !strings.HasPrefix(name, "devices/") {
			t.Fatalf("%q is telemetry of %q", name, id)
		}
	})
}

func FuzzBag(f *testing.F) {
	f.Add("a=1&%24.ct=application%2Fjson&$.ctime=x")
	f.Add("%zz")
	f.Fuzz(func(t *testing.T, bag string) {
		m, err := parseBag(bag)
		if (m == nil) == (err == nil) {
			t.Fatalf("%q gives %v and %v", bag, m, err)
		}
		if m != nil && m.Size() > len(bag)+len("iothub-creation-time-utc") {
			t.Fatalf("%q grew to %d bytes", bag, m.Size())
		}
	})
}
