package devices

import (
	"context"
	"errors"
	"strconv"
	"sync"

	paho "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

var errGone = errors.New("the device was closed before the hub acknowledged it")

// receipts is where the client keeps messages until the hub acknowledges them. It tells when that was: a token of the client
// does not, for a client that has connected again ends the tokens of what it is about to send anew.
type receipts struct {
	paho.Store
	mu     sync.Mutex
	open   map[string]chan struct{} // messages that wait, closed when they are acknowledged
	closed chan struct{}
}

func newReceipts() *receipts {
	return &receipts{Store: paho.NewMemoryStore(), open: map[string]chan struct{}{}, closed: make(chan struct{})}
}

// Put keeps a message. The client calls it again for one that it sends anew.
func (r *receipts) Put(key string, message packets.ControlPacket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Store.Put(key, message)
	if r.open[key] == nil {
		r.open[key] = make(chan struct{})
	}
}

// Del forgets a message, which was acknowledged.
func (r *receipts) Del(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Store.Del(key)
	if done := r.open[key]; done != nil {
		close(done)
		delete(r.open, key)
	}
}

// Close ends all waiting.
func (r *receipts) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Store.Close()
	select {
	case <-r.closed:
	default:
		close(r.closed)
	}
}

// acknowledged returns when the hub has acknowledged the message that the device sent under this packet id.
func (r *receipts) acknowledged(ctx context.Context, id uint16) error {
	r.mu.Lock()
	done := r.open["o."+strconv.Itoa(int(id))] // the client's key for what goes out
	r.mu.Unlock()
	if done == nil {
		return nil
	}
	select {
	case <-done:
		return nil
	case <-r.closed:
		return errGone
	case <-ctx.Done():
		return ctx.Err()
	}
}
