package iothub

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	bolt "go.etcd.io/bbolt"
)

const (
	// twinFile keeps the twins in the hub's folder. The lock on the event log guards it too.
	twinFile = "twins.db"
	// bucketTwins holds a storedTwin as JSON for each device and module, under its id as text.
	bucketTwins = "twins"
)

// twinStore holds the twins that were ever changed. A twin belongs to one generation of its device.
type twinStore struct {
	mu    sync.Mutex
	twins map[ID]storedTwin
	db    *bolt.DB // nil in memory
}

type storedTwin struct {
	Generation string `json:"generation"`
	Twin       Twin   `json:"twin"`
}

// openTwins opens the twins of the hub in dir, which no other process has open. noSync is Config.NoSync.
func openTwins(dir string, noSync bool) (*twinStore, error) {
	s := &twinStore{twins: map[ID]storedTwin{}}
	path := filepath.Join(dir, twinFile)
	err := guard(func() (err error) {
		s.db, err = bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second, NoFreelistSync: true, FreelistType: bolt.FreelistMapType, NoSync: noSync})
		if err == nil {
			err = s.db.Update(s.load)
		}
		return err
	})
	if err == nil {
		return s, nil
	}
	return nil, errors.Join(fmt.Errorf("open hub: %s: %w; put a copy of it back, or move it away to start with empty twins", path, err), s.close())
}

func (s *twinStore) load(tx *bolt.Tx) error {
	bucket, err := tx.CreateBucketIfNotExists([]byte(bucketTwins))
	if err != nil {
		return err
	}
	return bucket.ForEach(func(key, text []byte) error {
		var stored storedTwin
		object, err := ParseObject(text)
		if err == nil {
			err = json.Unmarshal(text, &stored)
		}
		if err != nil {
			return fmt.Errorf("twin %q: %w", key, err)
		}
		stored.Twin.keepNumbers(object)
		s.twins[stored.Twin.ID] = stored
		return nil
	})
}

// keepNumbers replaces the values by those of the same text that were read with numbers as they are written.
func (t *Twin) keepNumbers(stored map[string]any) {
	twin, _ := stored["twin"].(map[string]any)
	t.Tags = objectAt(twin, "tags")
	for name, section := range map[string]*Section{"desired": &t.Desired, "reported": &t.Reported} {
		section.Values = objectAt(objectAt(twin, name), "values")
		section.Metadata = objectAt(objectAt(twin, name), "metadata")
	}
}

func objectAt(object map[string]any, name string) map[string]any {
	inner, _ := object[name].(map[string]any)
	if inner == nil {
		inner = map[string]any{}
	}
	return inner
}

func (s *twinStore) close() error {
	if s.db == nil {
		return nil
	}
	return s.db.Close()
}

// get returns the twin of an identity; the caller has the lock.
func (s *twinStore) get(identity Identity) Twin {
	if stored, ok := s.twins[identity.ID]; ok && stored.Generation == identity.GenerationID {
		return stored.Twin
	}
	return newTwin(identity.ID)
}

// put keeps a twin, on disk when there is one; the caller has the lock.
func (s *twinStore) put(identity Identity, t Twin) error {
	stored := storedTwin{identity.GenerationID, t}
	if s.db != nil {
		err := s.db.Update(func(tx *bolt.Tx) error {
			return tx.Bucket([]byte(bucketTwins)).Put([]byte(t.ID.String()), mustJSON(stored))
		})
		if err != nil {
			return fmt.Errorf("save twin of %q: %w", t.ID, err)
		}
	}
	s.twins[t.ID] = stored
	return nil
}

// forget drops the twin of an identity that is gone, and returns what it was.
func (s *twinStore) forget(identity Identity) Twin {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.get(identity)
	if s.twins[identity.ID].Generation != identity.GenerationID {
		return last
	}
	delete(s.twins, identity.ID)
	if s.db != nil {
		// A twin that stays in the file belongs to no device: its generation does not come again.
		_ = s.db.Update(func(tx *bolt.Tx) error {
			return tx.Bucket([]byte(bucketTwins)).Delete([]byte(identity.ID.String()))
		})
	}
	return last
}
