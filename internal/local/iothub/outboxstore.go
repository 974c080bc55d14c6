package iothub

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	// messageFile keeps the messages to devices in the hub's folder. The lock on the event log guards it too.
	messageFile = "messages.db"
	// bucketMessages holds a storedMessage as JSON under its sequence number; its own sequence is the last one given.
	bucketMessages = "messages"
)

// storedMessage is a message to a device as it waits in the file.
type storedMessage struct {
	To          ID           `json:"to"`
	Generation  string       `json:"generation"`
	Message     CloudMessage `json:"message"`
	Enqueued    time.Time    `json:"enqueued"`
	LockToken   string       `json:"lockToken,omitempty"`
	LockedUntil time.Time    `json:"lockedUntil,omitzero"`
	Abandoned   int          `json:"abandoned,omitempty"`
}

// messageStore keeps on disk what the queues hold. The zero messageStore keeps nothing.
type messageStore struct{ db *bolt.DB }

// openMessages opens the messages of the hub in dir, which no other process has open, and fills the queues of the devices
// that are still there. noSync is Config.NoSync.
func (h *Hub) openMessages(dir string, noSync bool) error {
	path := filepath.Join(dir, messageFile)
	store := &h.outboxes.store
	err := guard(func() (err error) {
		store.db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second, NoFreelistSync: true, FreelistType: bolt.FreelistMapType, NoSync: noSync})
		if err == nil {
			err = store.db.Update(h.loadMessages)
		}
		return err
	})
	if err == nil {
		return nil
	}
	return errors.Join(fmt.Errorf("open hub: %s: %w; put a copy of it back, or move it away to start without messages to devices", path, err), store.close())
}

func (h *Hub) loadMessages(tx *bolt.Tx) error {
	bucket, err := tx.CreateBucketIfNotExists([]byte(bucketMessages))
	if err != nil {
		return err
	}
	h.outboxes.last = int64(bucket.Sequence())
	var orphans [][]byte
	err = bucket.ForEach(func(key, text []byte) error {
		var m storedMessage
		if len(key) != 8 {
			return fmt.Errorf("message %q: not a sequence number", key)
		}
		if err := json.Unmarshal(text, &m); err != nil {
			return fmt.Errorf("message %d: %w", numberOf(key), err)
		}
		o, err := h.Outbox(m.To)
		if err != nil || o.identity.GenerationID != m.Generation {
			orphans = append(orphans, key) // the device went, and the hub before it could forget its messages
			return nil
		}
		o.queue.items = append(o.queue.items, &queued[waitingMessage]{value: waitingMessage{m.Message, numberOf(key), m.Enqueued},
			token: m.LockToken, lockedUntil: m.LockedUntil, abandoned: m.Abandoned})
		return nil
	})
	for _, key := range orphans {
		err = errors.Join(err, bucket.Delete(key))
	}
	return err
}

// put writes the state of a message.
func (s *messageStore) put(o *Outbox, item *queued[waitingMessage]) error {
	if s.db == nil {
		return nil
	}
	m := storedMessage{o.identity.ID, o.identity.GenerationID, item.value.CloudMessage, item.value.enqueued, item.token, item.lockedUntil, item.abandoned}
	return s.update(func(bucket *bolt.Bucket) error {
		if number := uint64(item.value.number); number > bucket.Sequence() {
			if err := bucket.SetSequence(number); err != nil {
				return err
			}
		}
		return bucket.Put(keyOf(item.value.number), mustJSON(m))
	})
}

// drop removes messages.
func (s *messageStore) drop(messages ...waitingMessage) error {
	if s.db == nil || len(messages) == 0 {
		return nil
	}
	return s.update(func(bucket *bolt.Bucket) error {
		for _, m := range messages {
			if err := bucket.Delete(keyOf(m.number)); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *messageStore) update(how func(*bolt.Bucket) error) error {
	err := guard(func() error {
		return s.db.Update(func(tx *bolt.Tx) error { return how(tx.Bucket([]byte(bucketMessages))) })
	})
	if err != nil {
		return fmt.Errorf("save message to device: %w", err)
	}
	return nil
}

func (s *messageStore) close() error {
	if s.db == nil {
		return nil
	}
	return s.db.Close()
}
