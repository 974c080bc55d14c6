package app

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"azx/alwayson"
	"azx/alwayson/infotable"
)

const testKey = "an-application-key"

// fakePlatform has the entities of the two packages, as far as a connector meets them, behind a real server on loopback.
type fakePlatform struct {
	t      testing.TB
	url    string
	server *alwayson.Server

	mu        sync.Mutex
	packages  map[string]string
	settings  map[string]string // of the hub Thing Plant1Hub
	noHub     bool
	group     infotable.Value
	storage   []string            // Things
	things    map[string][]string // device Things: properties such as temp:NUMBER
	refuse    map[string]alwayson.Response
	others    map[string]string // connector Things that another connector has: its instance id, "" if it is dead
	calls     []string
	events    []alwayson.Request
	reported  map[string]map[string]string // of connector Things
	values    map[string][]string          // of device Things
	keys      []string                     // application keys that it accepts
	remaining int                          // requests that are refused as busy before all others
}

func newFakePlatform(t testing.TB) *fakePlatform {
	t.Helper()
	p := &fakePlatform{
		t: t, packages: map[string]string{"azx-connection-services": "0.1.0", "azx-azure-iot": "0.1.0"}, settings: map[string]string{},
		group: infotable.String("Plant1Hub"), things: map[string][]string{}, refuse: map[string]alwayson.Response{}, others: map[string]string{},
		reported: map[string]map[string]string{}, values: map[string][]string{}, keys: []string{testKey},
	}
	var err error
	p.server, err = alwayson.NewServer(alwayson.ServerConfig{
		Authenticate: func(_ context.Context, c alwayson.Credentials) (any, error) {
			if !slices.Contains(p.accepted(), c.AppKey()) {
				return nil, &alwayson.Error{Code: alwayson.Unauthorized}
			}
			return "connector", nil
		},
		Bind: p.bind, Request: p.request,
	})
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.url = "ws://" + listener.Addr().String() + alwayson.Path
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = p.server.Serve(listener)
	}()
	t.Cleanup(func() {
		_ = p.server.Close()
		<-ended
	})
	return p
}

func (p *fakePlatform) accepted() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.keys)
}

func (p *fakePlatform) with(change func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change()
}

func (p *fakePlatform) bind(_ context.Context, _ *alwayson.Session, b alwayson.Binding) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range b.Names {
		if _, taken := p.others[name]; taken {
			return &alwayson.Error{Code: alwayson.Forbidden, Reason: "bound already"}
		}
		p.calls = append(p.calls, "bind "+name)
	}
	return nil
}

// request answers what the connector asks.
func (p *fakePlatform) request(ctx context.Context, _ *alwayson.Session, r alwayson.Request) alwayson.Response {
	p.mu.Lock()
	p.calls = append(p.calls, r.Target+" "+r.Name)
	answer, refused := p.refuse[r.Name+"/"+r.Target]
	if !refused && p.remaining > 0 {
		p.remaining--
		answer, refused = alwayson.Refuse(alwayson.ServiceUnavailable, "starting"), true
	}
	p.mu.Unlock()
	if refused {
		return answer
	}
	if resp, ok := p.answer(r); ok {
		return resp
	}
	return p.route(ctx, r)
}

func (p *fakePlatform) answer(r alwayson.Request) (alwayson.Response, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch r.Name + "/" + r.Target {
	case "PlatformSubsystem/GetExtensionPackageList":
		return rows("name packageVersion", pairs(p.packages)...), true
	case "AzureServices/AddAdapterServices":
		return alwayson.Result(infotable.Boolean(true)), true
	case "ConnectionServicesHub/RegisterProtocolAdapter":
		return alwayson.Result(r.Param("name")), true
	}
	switch {
	case r.Kind == alwayson.Event:
		p.events = append(p.events, r)
		return alwayson.Done(), true
	case r.Name == "Plant1Hub" && !p.noHub:
		return p.ofHub(r)
	case r.Target == "GetConfiguration" && slices.Contains(p.storage, r.Name):
		return rows("name value", "accountName", "account"), true
	case r.Target == alwayson.PushService:
		return p.push(r), true
	case p.things[r.Name] != nil:
		return p.ofDevice(r)
	}
	return alwayson.Response{}, false
}

func (p *fakePlatform) ofHub(r alwayson.Request) (alwayson.Response, bool) {
	switch r.Target {
	case "GetConfiguration":
		return rows("name value", pairs(p.settings)...), true
	case "GetRoutingGroup":
		return alwayson.Result(p.group), true
	case "GetDeviceThings":
		return rows("name"), true
	}
	return alwayson.Response{}, false
}

func (p *fakePlatform) ofDevice(r alwayson.Request) (alwayson.Response, bool) {
	switch r.Target {
	case "GetAzureRemoteProperties":
		var cells []string
		for _, property := range p.things[r.Name] {
			name, base, _ := strings.Cut(property, ":")
			cells = append(cells, name, name, base, "Plant1Hub")
		}
		return rows("name edgeName baseType gatewayThing", cells...), true
	case "GetAzureRemoteServices":
		return rows("name edgeName resultType"), true
	}
	return alwayson.Response{}, false
}

func (p *fakePlatform) push(r alwayson.Request) alwayson.Response {
	values, err := alwayson.PushedValues(r.Params)
	if err != nil {
		return alwayson.Refuse(alwayson.BadRequest, err.Error())
	}
	for _, v := range values {
		if p.things[r.Name] != nil {
			p.values[r.Name] = append(p.values[r.Name], v.Name+"="+v.Value.String())
			continue
		}
		if p.reported[r.Name] == nil {
			p.reported[r.Name] = map[string]string{}
		}
		p.reported[r.Name][v.Name] = v.Value.String()
	}
	return alwayson.Done()
}

// route passes a request on to whoever has bound the Thing, or the group of a device's.
func (p *fakePlatform) route(ctx context.Context, r alwayson.Request) alwayson.Response {
	p.mu.Lock()
	other, taken := p.others[r.Name]
	group, _ := p.group.Text()
	device := p.things[r.Name] != nil || r.Name == "Plant1Hub" && !p.noHub
	p.mu.Unlock()
	switch {
	case !device && !taken && !strings.HasPrefix(r.Name, "azx-"):
		return alwayson.Refuse(alwayson.NotFound, "there is no Thing "+r.Name)
	case taken && other != "" && r.Target == "GetInstanceId":
		return alwayson.Result(infotable.String(other))
	case taken:
		return alwayson.Refuse(alwayson.GatewayTimeout, "no answer")
	}
	for _, s := range p.server.Sessions() {
		if s.IsBound(r.Name) || device && s.IsBound(group) {
			resp, err := s.Call(ctx, r)
			if err != nil {
				return alwayson.Refuse(alwayson.GatewayTimeout, err.Error())
			}
			return resp
		}
	}
	return alwayson.Refuse(alwayson.ServiceUnavailable, "nobody has bound "+r.Name)
}

// cut ends all connections, which come again.
func (p *fakePlatform) cut() {
	for _, s := range p.server.Sessions() {
		s.Close()
	}
}

// invoke calls a remote service of a Thing as a script does.
func (p *fakePlatform) invoke(thing, service string, cells ...infotable.Cell) alwayson.Response {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return p.route(ctx, alwayson.CallService(thing, service, infotable.OneRow(cells...)))
}

func rows(columns string, cells ...string) alwayson.Response {
	t := infotable.New()
	names := strings.Fields(columns)
	for _, name := range names {
		t.Fields = append(t.Fields, infotable.Column(name, infotable.TypeString))
	}
	for row := range slices.Chunk(cells, len(names)) {
		var values []infotable.Value
		for _, cell := range row {
			values = append(values, infotable.String(cell))
		}
		t.Add(values...)
	}
	return alwayson.Response{Code: alwayson.Success, Content: t}
}

func pairs(m map[string]string) []string {
	var all []string
	for name, value := range m {
		all = append(all, name, value)
	}
	return all
}

// count returns how many requests had this line.
func (p *fakePlatform) count(line string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, c := range p.calls {
		if c == line {
			n++
		}
	}
	return n
}

// fired returns the events of a kind as "thing: message".
func (p *fakePlatform) fired(kind string) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []string
	for _, e := range p.events {
		if e.Target != kind {
			continue
		}
		who := e.Param("ThingName")
		for _, column := range []string{"edgeIdentifier", "fileRepositoryName"} {
			if who.IsNothing() {
				who = e.Param(column)
			}
		}
		all = append(all, fmt.Sprintf("%s: %s", who, e.Param("message")))
	}
	return all
}

const patience = 20 * time.Second // for what should take milliseconds

// eventually polls until f returns nil.
func eventually(t testing.TB, what string, f func() error) {
	t.Helper()
	deadline := time.After(patience)
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-time.After(10 * time.Millisecond):
		case <-deadline:
			t.Fatalf("after %s not: %s: %v", patience, what, err)
		}
	}
}
