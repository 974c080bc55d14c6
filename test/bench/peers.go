package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"net"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/messaging/azeventhubs/v2"
	"github.com/Azure/go-amqp"

	"azx/internal/amqp10"
	"azx/internal/supervise"
)

// hostName is the source's in certificates and connection strings.
const hostName = "bench.servicebus.windows.net"

// peer is a process of its own beside the connector: what that is compared with.
type peer struct {
	source, ca, sink, rest string   // addresses, and a file of roots: with it the source is spoken to over TLS
	puts                   chan put // what waits for its PUT; nil: messages are thrown away
}

// runPeer runs the peer that the arguments name until ctx ends.
func runPeer(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("peer: which one?")
	}
	p := &peer{}
	flags := flag.NewFlagSet("peer", flag.ContinueOnError)
	flags.StringVar(&p.source, "source", "", "host:port of the source")
	flags.StringVar(&p.ca, "ca", "", "file of roots of the source")
	flags.StringVar(&p.sink, "sink", "", "URL of the sink")
	flags.StringVar(&p.rest, "rest", "", "URL of the sink's REST side")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "go-amqp":
		return p.goAMQP(ctx)
	case "azeventhubs":
		return p.azeventhubs(ctx)
	case "go-amqp-put":
		return p.putting(ctx, p.goAMQP)
	case "azeventhubs-put":
		return p.putting(ctx, p.azeventhubs)
	case "amqp10":
		return p.amqp10(ctx)
	case "scan":
		return p.scan(ctx)
	case "push":
		return p.push(ctx)
	case "push-flush":
		return p.pushFlush(ctx)
	}
	return fmt.Errorf("there is no peer %q", args[0])
}

func (p *peer) tls() (*tls.Config, error) {
	pem, err := os.ReadFile(p.ca)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: pool, ServerName: hostName}, nil
}

// goAMQP receives from all partitions over one connection and throws the messages away.
func (p *peer) goAMQP(ctx context.Context) error {
	address, options := "amqp://"+p.source, &amqp.ConnOptions{}
	if p.ca != "" {
		roots, err := p.tls()
		if err != nil {
			return err
		}
		address, options.TLSConfig = "amqps://"+p.source, roots
	}
	conn, err := amqp.Dial(ctx, address, options)
	if err != nil {
		return err
	}
	defer conn.Close()
	group := supervise.New(ctx)
	settled := amqp.SenderSettleModeSettled
	for partition := range partitions {
		session, err := conn.NewSession(ctx, nil)
		if err != nil {
			return err
		}
		r, err := session.NewReceiver(ctx, partitionAddress(partition), &amqp.ReceiverOptions{
			Credit: 2000, RequestedSenderSettleMode: &settled,
		})
		if err != nil {
			return err
		}
		group.Go("receive", func(ctx context.Context) error {
			for {
				m, err := r.Receive(ctx, nil)
				if err != nil {
					return err
				}
				p.take(ctx, m.Annotations["iothub-connection-device-id"], m.GetData())
			}
		})
	}
	return group.Wait()
}

func partitionAddress(partition int) string {
	return fmt.Sprintf("events/ConsumerGroups/azx/Partitions/%d", partition)
}

// azeventhubs receives in batches of up to 300, which is how many it asks for ahead by default.
func (p *peer) azeventhubs(ctx context.Context) error {
	roots, err := p.tls()
	if err != nil {
		return err
	}
	client, err := azeventhubs.NewConsumerClientFromConnectionString(eventHubsString, "", "azx",
		&azeventhubs.ConsumerClientOptions{CustomEndpoint: p.source, TLSConfig: roots})
	if err != nil {
		return err
	}
	defer client.Close(context.WithoutCancel(ctx))
	group := supervise.New(ctx)
	earliest := true
	for n := range partitions {
		partition, err := client.NewPartitionClient(fmt.Sprint(n), &azeventhubs.PartitionClientOptions{
			StartPosition: azeventhubs.StartPosition{Earliest: &earliest}})
		if err != nil {
			return err
		}
		group.Go("receive", func(ctx context.Context) error {
			for {
				events, err := partition.ReceiveEvents(ctx, 300, nil)
				if err != nil {
					return err
				}
				for _, e := range events {
					p.take(ctx, e.SystemProperties["iothub-connection-device-id"], e.Body)
				}
			}
		})
	}
	return group.Wait()
}

// amqp10 receives with the client that the fast receiver is made of, and looks at no message.
func (p *peer) amqp10(ctx context.Context) error {
	roots, err := p.tls()
	if err != nil {
		return err
	}
	nc, err := (&tls.Dialer{Config: roots}).DialContext(ctx, "tcp", p.source)
	if err != nil {
		return err
	}
	client, err := amqp10.Connect(ctx, nc, amqp10.ClientConfig{ContainerID: "bench", Hostname: hostName})
	if err != nil {
		return err
	}
	defer client.Close(context.WithoutCancel(ctx))
	group := supervise.New(ctx)
	for partition := range partitions {
		r, err := client.Receive(ctx, amqp10.ReceiverConfig{
			Source: &amqp10.Source{Address: partitionAddress(partition)}, Settled: true, Credit: 1024, Bytes: 16 << 20,
		})
		if err != nil {
			return err
		}
		group.Go("receive", func(ctx context.Context) error {
			for {
				if _, err := r.Receive(ctx); err != nil {
					return err
				}
			}
		})
	}
	return group.Wait()
}

// scan takes frames and looks at their size alone: what it gets is what the source is able to give.
func (p *peer) scan(ctx context.Context) error {
	nc, err := net.Dial("tcp", p.source)
	if err != nil {
		return err
	}
	defer nc.Close()
	defer context.AfterFunc(ctx, func() { _ = nc.Close() })()
	const credit = 20_000
	some := amqp10.Some[uint32]
	hello := []byte("AMQP\x00\x01\x00\x00")
	frame := func(channel uint16, p amqp10.Performative) {
		hello = amqp10.AppendFrame(hello, amqp10.FrameAMQP, channel, p, nil)
	}
	frame(0, &amqp10.Open{ContainerID: "scan", MaxFrameSize: some(amqp10.MaxFrameSize)})
	frame(0, &amqp10.Begin{IncomingWindow: credit, OutgoingWindow: 1, HandleMax: some(amqp10.HandleMax)})
	frame(0, &amqp10.Attach{
		Name: "scan", Role: amqp10.RoleReceiver, SenderSettleMode: amqp10.SenderSettled,
		Source: &amqp10.Source{Address: partitionAddress(0)}, Target: &amqp10.Target{},
	})
	flow := func(taken uint32) []byte {
		return amqp10.AppendFrame(nil, amqp10.FrameAMQP, 0, &amqp10.Flow{
			NextIncomingID: some(taken), IncomingWindow: credit, OutgoingWindow: 1,
			Handle: some(0), DeliveryCount: some(taken), LinkCredit: some(credit),
		}, nil)
	}
	if _, err := nc.Write(append(hello, flow(0)...)); err != nil {
		return err
	}
	var header [8]byte
	if _, err := nc.Read(header[:]); err != nil {
		return err
	}
	frames := amqp10.NewFrameReader(nc, amqp10.MaxFrameSize)
	for taken := uint32(0); ; {
		f, err := frames.Next()
		if err != nil {
			return err
		}
		if len(f.Body) < 150 { // not a message
			continue
		}
		if taken++; taken%(credit/2) == 0 {
			if _, err := nc.Write(flow(taken)); err != nil {
				return err
			}
		}
	}
}
