package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"azx/alwayson"
	"azx/alwayson/infotable"
	"azx/internal/local/iothub"
	hubserve "azx/internal/local/iothub/serve"
	"azx/internal/supervise"
)

const (
	callsKey    = "calls"
	callsPerSec = 500
	calledThing = "bench-device"
	callBody    = `{"delay":5}`
)

// calls is one measurement of direct methods at a steady rate: through the connector, and bare, over one HTTPS client,
// to the same hub and device right before. Latencies are in milliseconds.
type calls struct {
	BareP50  float64 `json:"bare_p50_ms"`
	BareP99  float64 `json:"bare_p99_ms"`
	AzxP50   float64 `json:"azx_p50_ms"`
	AzxP99   float64 `json:"azx_p99_ms"`
	AddedP99 float64 `json:"added_p99_ms"`
	Cores    float64 `json:"connector_cores"`
}

// measureCalls runs hub and device in this process, and a platform that does nothing but call.
func (b *bench) measureCalls(ctx context.Context) (c calls, err error) {
	group := supervise.New(ctx)
	defer func() {
		group.Stop()
		err = errors.Join(err, group.Wait())
	}()
	hub, err := hubserve.Start(group.Context(), hubserve.Options{})
	if err != nil {
		return c, err
	}
	group.Go("hub", func(context.Context) error { return hub.Wait() })
	if err := answerMethods(group, hub.Hub); err != nil {
		return c, err
	}
	platform, err := newCaller(group)
	if err != nil {
		return c, err
	}
	connector, err := b.startCalled(hub, platform.url)
	if err != nil {
		return c, err
	}
	defer connector.kill()
	session, err := platform.bound(ctx)
	if err != nil {
		return c, err
	}
	bare, closeBare, err := bareCall(hub)
	if err != nil {
		return c, err
	}
	defer closeBare()
	through := func(ctx context.Context) error {
		params := infotable.OneRow(infotable.Cell{Name: "delay", Value: infotable.Integer(5)})
		answer, err := session.Call(ctx, alwayson.CallService(calledThing, "reboot", params))
		return errors.Join(err, answer.Err())
	}
	return b.compareCalls(ctx, connector, bare, through)
}

// compareCalls paces both kinds of calls, one after the other, each behind a second that is not measured.
func (b *bench) compareCalls(ctx context.Context, connector *process, bare, through func(context.Context) error) (c calls, err error) {
	var took [2][]time.Duration
	for i, call := range []func(context.Context) error{bare, through} {
		if _, err := paced(ctx, time.Second, call); err != nil {
			return c, err
		}
		before, err := cpuSeconds(connector.cmd.Process.Pid)
		if err != nil {
			return c, err
		}
		if took[i], err = paced(ctx, b.window, call); err != nil {
			return c, err
		}
		after, err := cpuSeconds(connector.cmd.Process.Pid)
		if err != nil {
			return c, err
		}
		c.Cores = (after - before) / b.window.Seconds()
	}
	c.BareP50, c.BareP99 = percentile(took[0], 50), percentile(took[0], 99)
	c.AzxP50, c.AzxP99 = percentile(took[1], 50), percentile(took[1], 99)
	c.AddedP99 = c.AzxP99 - c.BareP99
	return c, nil
}

// paced makes calls at a steady rate, each when its time has come whatever became of those before.
func paced(ctx context.Context, window time.Duration, call func(context.Context) error) ([]time.Duration, error) {
	const every = time.Second / callsPerSec
	took := make([]time.Duration, int(window/every))
	group := supervise.New(ctx)
	pace := time.NewTicker(every)
	defer pace.Stop()
	for i := range took {
		select {
		case <-pace.C:
		case <-group.Context().Done():
			return nil, group.Wait()
		}
		group.Go("call", func(ctx context.Context) error {
			began := time.Now()
			err := call(ctx)
			took[i] = time.Since(began)
			return err
		})
	}
	return took, group.Wait()
}

func percentile(took []time.Duration, p int) float64 {
	if len(took) == 0 {
		return 0
	}
	took = slices.Sorted(slices.Values(took))
	return took[(len(took)-1)*p/100].Seconds() * 1000
}

// answerMethods connects a device without any protocol, which answers each method at once with its payload.
func answerMethods(group *supervise.Group, hub *iothub.Hub) error {
	added, err := hub.Registry().Add(iothub.Spec{ID: iothub.ID{Device: calledThing}})
	if err != nil {
		return err
	}
	device := iothub.Principal{Rights: iothub.DeviceConnect, ID: added[0].ID, GenerationID: added[0].GenerationID}
	session, err := hub.Enter(device, func(error) {})
	if err != nil {
		return err
	}
	methods := session.ServeMethods()
	group.Go("device", func(ctx context.Context) error {
		for {
			request, err := methods.Next(ctx)
			if err != nil {
				return ctx.Err()
			}
			session.AnswerMethod(request.RequestID, http.StatusOK, request.Payload)
		}
	})
	return nil
}

// caller is the platform's end of the connector: it knows the one Thing, and calls it.
type caller struct {
	url string

	once    sync.Once
	session *alwayson.Session
	ready   chan struct{} // closed when the routing group is bound
}

func newCaller(group *supervise.Group) (*caller, error) {
	c := &caller{ready: make(chan struct{})}
	server, err := alwayson.NewServer(alwayson.ServerConfig{
		Authenticate: func(context.Context, alwayson.Credentials) (any, error) { return "bench", nil },
		Bound: func(_ context.Context, s *alwayson.Session, names alwayson.Binding) {
			if slices.Contains(names.Names, hubThing) {
				c.once.Do(func() { c.session = s; close(c.ready) })
			}
		},
		Request: answerCaller,
	})
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	c.url = "ws://" + listener.Addr().String() + alwayson.Path
	group.Go("platform", func(ctx context.Context) error {
		defer context.AfterFunc(ctx, func() { _ = server.Close() })()
		err := server.Serve(listener)
		if ctx.Err() != nil {
			return nil
		}
		return err
	})
	return c, nil
}

// answerCaller answers what a connector asks at its start, and tells of the Thing that its service reboot gives JSON.
func answerCaller(_ context.Context, _ *alwayson.Session, r alwayson.Request) alwayson.Response {
	names := []infotable.Field{infotable.Column("name", infotable.TypeString), infotable.Column("packageVersion", infotable.TypeString)}
	switch r.Target {
	case "GetAzureRemoteServices":
	case "GetExtensionPackageList":
		return alwayson.Response{Code: alwayson.Success, Content: infotable.New(names...).
			Add(infotable.String("azx-connection-services"), infotable.String("0.1.0")).
			Add(infotable.String("azx-azure-iot"), infotable.String("0.1.0"))}
	case "GetConfiguration": // everything is in the file
		return alwayson.Response{Code: alwayson.Success, Content: infotable.New(names[0], infotable.Column("value", infotable.TypeString))}
	case "RegisterProtocolAdapter":
		return alwayson.Result(r.Param("name"))
	case "AddAdapterServices", alwayson.PushService:
		return alwayson.Done()
	default:
		return alwayson.Refuse(alwayson.NotFound, "only calls are measured here")
	}
	column := func(name string) infotable.Field { return infotable.Column(name, infotable.TypeString) }
	table := infotable.New(column("name"), column("edgeName"), column("resultType"), column("resultFields"),
		infotable.Column("timeout", infotable.TypeInteger))
	table.Add(infotable.String("Restart"), infotable.String("reboot"), infotable.String("JSON"), infotable.String(""), infotable.Integer(30_000))
	return alwayson.Result(infotable.FromTable(table))
}

// bound waits for the connector.
func (c *caller) bound(ctx context.Context) (*alwayson.Session, error) {
	limit := time.NewTimer(startLimit)
	defer limit.Stop()
	select {
	case <-c.ready:
		return c.session, nil
	case <-limit.C:
		return nil, errors.New("the connector did not bind its routing group")
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// startCalled starts the connector between hub and caller, with quota enough.
func (b *bench) startCalled(hub *hubserve.Running, url string) (*process, error) {
	dir, err := os.MkdirTemp(b.dir, "called-")
	if err != nil {
		return nil, err
	}
	ca, file := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "azx.yaml")
	text := fmt.Sprintf(`name: azx-bench
platform: {urls: [%q], appKey: bench}
hubs:
  - thing: %s
    connectionString: %q
    endpoints: {amqps: "127.0.0.1:%d", https: "127.0.0.1:%d"}
    caFile: %q
    routingGroup: %s
    bind: group
    tier: S3
    units: 10
checkpoint: {file: %q}
quarantine: {dir: %q}
admin: {listen: "127.0.0.1:0"}
`, url, hubThing, hub.Info.ServiceConnectionString, hub.Info.Ports.AMQPS, hub.Info.Ports.HTTPS, ca, hubThing,
		filepath.Join(dir, "checkpoints"), filepath.Join(dir, "quarantine"))
	if err := errors.Join(os.WriteFile(ca, hub.CA, 0o600), os.WriteFile(file, []byte(text), 0o600)); err != nil {
		return nil, err
	}
	return launch([]string{b.connector, "run", "--log-level", "error", "-c", file})
}

// bareCall is what a program of one's own would do: one HTTPS client that keeps its connections.
func bareCall(hub *hubserve.Running) (call func(context.Context) error, done func(), err error) {
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(hub.CA) {
		return nil, nil, errors.New("the hub's authority is unreadable")
	}
	policy, ok := hub.Hub.Policy("service")
	if !ok {
		return nil, nil, errors.New("the hub has no policy named service")
	}
	token, err := iothub.SignToken(hub.Info.HostName, "service", policy.PrimaryKey, time.Now().Add(time.Hour))
	if err != nil {
		return nil, nil, err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: 256, TLSClientConfig: &tls.Config{RootCAs: roots, ServerName: hub.Info.HostName}}
	client := http.Client{Transport: transport, Timeout: time.Minute}
	url := fmt.Sprintf("https://127.0.0.1:%d/twins/%s/methods?api-version=2021-04-12", hub.Info.Ports.HTTPS, calledThing)
	body := []byte(`{"methodName":"reboot","responseTimeoutInSeconds":25,"payload":` + callBody + `}`)
	return func(ctx context.Context) error {
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", token)
		request.Header.Set("Content-Type", "application/json; charset=utf-8")
		answer, err := client.Do(request)
		if err != nil {
			return err
		}
		text, err := io.ReadAll(answer.Body)
		if answer.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", answer.Status, text)
		}
		return errors.Join(err, answer.Body.Close())
	}, transport.CloseIdleConnections, nil
}
