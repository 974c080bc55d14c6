package amqp

import (
	"context"
	"net/url"
	"slices"
	"strings"
	"time"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

// answerWithin is how long a client may take to give credit for an answer.
const answerWithin = 30 * time.Second

// linkWithin is how long a request may come before the link for its answer.
const linkWithin = 5 * time.Second

// answer is the reply to a request: the status in the words of HTTP, and a body. The client SDKs want the status as int.
type answer struct {
	status      int32
	description string
	body        amqp10.Map
}

// serveAnswers keeps a link over which answers go to the client. It is known before it is accepted: the client may ask
// as soon as it is, and on a busy machine its question came first.
func (c *client) serveAnswers(ctx context.Context, l *amqp10.Link, node string) error {
	defer c.offer(node, l)()
	return keepQuiet(ctx, l)
}

// keepQuiet accepts a link and waits for its end.
func keepQuiet(ctx context.Context, l *amqp10.Link) error {
	if err := l.Accept(amqp10.Terms{}); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// offer makes a link known as one for answers of a node, and returns how it is forgotten.
func (c *client) offer(node string, l *amqp10.Link) (withdraw func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answers[node] = append(c.answers[node], l)
	close(c.joined)
	c.joined = make(chan struct{})
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		left := slices.DeleteFunc(c.answers[node], func(other *amqp10.Link) bool { return other == l })
		if c.answers[node] = left; len(left) == 0 {
			delete(c.answers, node)
		}
	}
}

// answerLink is the link whose address on the client's side is replyTo, else the newest: some clients name another.
// Without any it waits for one: some clients ask for both links at once, and for the answer's first.
func (c *client) answerLink(ctx context.Context, node, replyTo string) (*amqp10.Link, error) {
	for {
		c.mu.Lock()
		links, joined := slices.Clone(c.answers[node]), c.joined
		c.mu.Unlock()
		for _, l := range slices.Backward(links) {
			if l.ReplyAddress() == replyTo {
				return l, nil
			}
		}
		if len(links) > 0 {
			return links[len(links)-1], nil
		}
		select {
		case <-joined:
		case <-ctx.Done():
			return nil, amqp10.Errorf(amqp10.CondPreconditionFailed, "a request without a link for its answer: attach a receiver to %s first", node)
		}
	}
}

// serveRequests answers the requests of a link one after the other.
func (c *client) serveRequests(ctx context.Context, l *amqp10.Link, node string, handle func(*amqp10.Message) answer) error {
	if err := l.Accept(amqp10.Terms{MaxMessageSize: 64 << 10}); err != nil {
		return err
	}
	for {
		in, err := l.Receive(ctx)
		if err != nil {
			return err
		}
		request, err := amqp10.DecodeMessage(in.Payload)
		if err != nil {
			in.Reject(amqp10.Errorf(amqp10.CondDecodeError, "%v", err))
			continue
		}
		if request.Properties == nil {
			request.Properties = new(amqp10.Properties)
		}
		in.Accept()
		if err := c.reply(ctx, node, request, handle(request)); err != nil {
			return err
		}
	}
}

func (c *client) reply(ctx context.Context, node string, request *amqp10.Message, a answer) error {
	patience, stop := context.WithTimeout(ctx, linkWithin)
	defer stop()
	l, err := c.answerLink(patience, node, request.Properties.ReplyTo)
	if err != nil {
		return err
	}
	m := &amqp10.Message{
		Properties:            &amqp10.Properties{To: request.Properties.ReplyTo, CorrelationID: request.Properties.MessageID},
		ApplicationProperties: amqp10.Map{{Key: "status-code", Value: a.status}, {Key: "status-description", Value: a.description}},
		Value:                 amqp10.Some[any](nil),
	}
	if a.body != nil {
		m.Value.Value = a.body
	}
	return sendAnswer(ctx, l, m)
}

func sendAnswer(ctx context.Context, l *amqp10.Link, m *amqp10.Message) error {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if err := l.Send(ctx, amqp10.AppendMessage(nil, m)); err != nil {
		return amqp10.Errorf(amqp10.CondResourceLimitExceeded, "the answer could not be sent: %v", err)
	}
	return nil
}

// putToken takes a token for a resource. Event hub resources get 202, the hub's own 200: the device SDK insists on it (tried).
func (c *client) putToken(request *amqp10.Message) answer {
	asked := request.ApplicationProperties
	if op := asked.Text("operation"); op != "put-token" {
		return answer{status: 400, description: "operation " + op + " is unknown, put-token is not"}
	}
	token, _ := request.Value.Value.(string)
	if token == "" && len(request.Data) == 1 {
		token = string(request.Data[0])
	}
	// azure-eventhub 5.11 for Python puts signatures under the type of Entra's tokens (tried): the token counts.
	if kind := asked.Text("type"); !strings.HasSuffix(kind, ":sastoken") && !strings.HasPrefix(token, "SharedAccessSignature ") && !iothub.IsBearer(token) {
		return answer{status: 401, description: "tokens of type " + kind + " are not taken: sign in with a shared access key"}
	}
	resource := asked.Text("name")
	n, err := c.verify(c.hub, token, resource)
	if err != nil {
		c.log.Info("AMQP token refused", "resource", resource, "reason", err)
		return answer{status: 401, description: err.Error()}
	}
	if !c.add(n) {
		return answer{status: 403, description: "too many tokens on one connection"}
	}
	if n.eventHub {
		return answer{status: 202, description: "Accepted"}
	}
	return answer{status: 200, description: "OK"}
}

func (c *client) verify(v verifier, token, resource string) (n claim, err error) {
	n.eventHub = c.isEventHub(resource)
	switch {
	case iothub.IsBearer(token) && !n.eventHub:
		// The resource is the audience of the token, not a name of this hub (read: azure-iothub, the .NET and Python SDKs).
		n.principal, err = v.VerifyBearer(token)
	case n.eventHub:
		n.principal, err = v.VerifyEventHub(token, resource)
	default:
		n.principal, err = v.VerifyHub(token, resource)
	}
	return n, err
}

// isEventHub tells the resources of the event hub from those of the hub: by the name of the event hub in the path, and
// by the host when each has its own.
func (c *client) isEventHub(resource string) bool {
	if !strings.Contains(resource, "/") {
		if plain, err := url.PathUnescape(resource); err == nil {
			resource = plain
		}
	}
	if _, rest, ok := strings.Cut(resource, "://"); ok {
		resource = rest
	}
	host, path, _ := strings.Cut(resource, "/")
	entity, _, _ := strings.Cut(path, "/")
	names := c.hub.Names()
	return strings.EqualFold(entity, names.EventHub) || names.IsNamespace(host) && !names.IsHost(host)
}
