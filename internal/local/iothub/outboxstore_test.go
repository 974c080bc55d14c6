package iothub

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	bolt "go.etcd.io/bbolt"
)

func TestMessagesToDevicesOutliveARestartAsTheyWere(t *testing.T) {
	now := noon
	cfg := Config{Dir: t.TempDir(), NoSync: true, Clock: func() time.Time { return now }}
	h := newHub(t, cfg)
	id := mustAdd(t, h, ID{Device: "d1"}).ID
	full := CloudMessage{Message: Message{Body: []byte{0, 255}, MessageID: "m-full", CorrelationID: "c", UserID: "u", To: "t", ContentType: "text/plain",
		ContentEncoding: "utf-8", Properties: map[string]string{"": "ü"}}, Ack: AckFull, Expires: now.Add(2 * time.Hour)}
	send(t, h, id, CloudMessage{Message: Message{MessageID: "completed"}})
	send(t, h, id, CloudMessage{Message: Message{MessageID: "locked"}})
	send(t, h, id, full)
	send(t, h, id, CloudMessage{Message: Message{MessageID: "too old"}, Ack: AckFull, Expires: now.Add(time.Minute)})
	box := func() *Outbox {
		o, err := h.Outbox(id)
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	completed, locked, abandoned := mustReceive(t, box()), mustReceive(t, box()), mustReceive(t, box())
	if err := box().Complete(completed.LockToken); err != nil {
		t.Fatal(err)
	}
	if err := box().Abandon(abandoned.LockToken); err != nil {
		t.Fatal(err)
	}

	h = reopen(t, h, cfg)
	if n := box().Count(); n != 3 {
		t.Fatalf("%d messages after the restart, want 3", n)
	}
	if err := box().Complete(locked.LockToken); err != nil {
		t.Errorf("a lock from before the restart: %v", err)
	}
	now = now.Add(time.Minute)
	h = reopen(t, h, cfg)
	d := mustReceive(t, box())
	if d.DeliveryCount != 1 || d.SequenceNumber != abandoned.SequenceNumber || !d.Enqueued.Equal(noon) || !d.Expires.Equal(full.Expires) {
		t.Errorf("got %+v", d)
	}
	if d.Ack != AckFull || !reflect.DeepEqual(d.Message, full.Message) {
		t.Errorf("got %+v, want %+v", d.CloudMessage, full)
	}
	if d, ok := box().Receive(); ok {
		t.Errorf("%q is there, and is too old", d.MessageID)
	}
	if len(h.feedback.pending) != 1 || h.feedback.pending[0].StatusCode != Expired {
		t.Errorf("feedback %+v, want that of the message that is too old", h.feedback.pending)
	}
	send(t, h, id, CloudMessage{})
	if next := mustReceive(t, box()); next.SequenceNumber <= d.SequenceNumber+1 {
		t.Errorf("number %d comes again", next.SequenceNumber)
	}
}

func TestTheNumberOfAMessageIsNotGivenAgainWhenAllAreGone(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), NoSync: true}
	h := newHub(t, cfg)
	id := mustAdd(t, h, ID{Device: "d1"}).ID
	for want := int64(1); want < 4; want++ {
		send(t, h, id, CloudMessage{})
		o, err := h.Outbox(id)
		if err != nil {
			t.Fatal(err)
		}
		d := mustReceive(t, o)
		if d.SequenceNumber != want {
			t.Errorf("number %d, want %d", d.SequenceNumber, want)
		}
		if err := o.Complete(d.LockToken); err != nil {
			t.Fatal(err)
		}
		h = reopen(t, h, cfg)
	}
}

func TestMessagesGoWithTheirDevice(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), NoSync: true}
	h := newHub(t, cfg)
	id := mustAdd(t, h, ID{Device: "d1"}).ID
	for range 2 {
		send(t, h, id, CloudMessage{})
		if err := h.Registry().Remove(id); err != nil {
			t.Fatal(err)
		}
		err := h.outboxes.store.db.View(func(tx *bolt.Tx) error {
			if key, _ := tx.Bucket([]byte(bucketMessages)).Cursor().First(); key != nil {
				t.Errorf("message %d is left in the file", numberOf(key))
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		h = reopen(t, h, cfg)
		mustAdd(t, h, id)
		if o, err := h.Outbox(id); err != nil || o.Count() != 0 {
			t.Fatalf("the device that was made again has messages of the one before, %v", err)
		}
	}
}

// TestMessagesOfADeviceOfBeforeAreNotThoseOfItsSuccessor has the hub die between removing a device and its messages.
func TestMessagesOfADeviceOfBeforeAreNotThoseOfItsSuccessor(t *testing.T) {
	cfg := Config{Dir: t.TempDir(), NoSync: true}
	h := newHub(t, cfg)
	id := mustAdd(t, h, ID{Device: "d1"}).ID
	send(t, h, id, CloudMessage{})
	mustClose(t, h)
	path := filepath.Join(cfg.Dir, messageFile)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	h = newHub(t, cfg)
	if err := h.Registry().Remove(id); err != nil {
		t.Fatal(err)
	}
	mustAdd(t, h, id)
	mustClose(t, h)
	if err := os.WriteFile(path, before, 0o600); err != nil {
		t.Fatal(err)
	}
	h = newHub(t, cfg)
	if o, err := h.Outbox(id); err != nil || o.Count() != 0 {
		t.Errorf("the device has a message for the one before it, %v", err)
	}
}

func TestADamagedMessageFileIsNamed(t *testing.T) {
	dir := t.TempDir()
	mustClose(t, newHub(t, Config{Dir: dir, NoSync: true}))
	if err := os.WriteFile(filepath.Join(dir, messageFile), []byte(strings.Repeat("x", 1<<14)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), messageFile) || !strings.Contains(err.Error(), "move it away") {
		t.Fatalf("got %v", err)
	}
}

// childDir tells the test binary to be the hub that TestMessagesOutliveSIGKILL kills.
const childDir = "AZX_TEST_MESSAGES_IN"

// messageChild sends messages to devices as fast as it can, settles some, and says what it has done, until it is killed.
func messageChild(dir string) error {
	h, err := Open(Config{Dir: dir})
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		id := ID{Device: fmt.Sprint("d", n)}
		if _, err := h.Registry().Add(Spec{ID: id}); err != nil {
			return err
		}
		for range 3 {
			if err := h.SendToDevice(id, CloudMessage{}); err != nil {
				return err
			}
		}
		o, err := h.Outbox(id)
		if err != nil {
			return err
		}
		d, _ := o.Receive()
		if err := o.Complete(d.LockToken); err != nil {
			return err
		}
		d, _ = o.Receive()
		if err := o.Abandon(d.LockToken); err != nil {
			return err
		}
		fmt.Println(id.Device)
	}
}

func TestMessagesOutliveSIGKILL(t *testing.T) {
	dir := t.TempDir()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDir+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var devices []string
	for lines := bufio.NewScanner(out); len(devices) < 20 && lines.Scan(); {
		devices = append(devices, lines.Text())
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = child.Wait() // it was killed
	if len(devices) != 20 {
		t.Fatalf("the hub did %d of 20 rounds", len(devices))
	}
	h := newHub(t, Config{Dir: dir})
	for _, device := range devices {
		o, err := h.Outbox(ID{Device: device})
		if err != nil {
			t.Fatal(err)
		}
		first := mustReceive(t, o)
		second := mustReceive(t, o)
		if _, third := o.Receive(); third || first.DeliveryCount != 1 || second.DeliveryCount != 0 {
			t.Errorf("%s: got %+v, %+v and more: %v; want the one that was abandoned once, and one more", device, first, second, third)
		}
	}
}
