package jobs

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	bolt "go.etcd.io/bbolt"

	"azx/internal/local/dbfile"
)

// Names in the file.
const (
	file          = "jobs.db"
	formatNow     = "1"
	bucketJobs    = "jobs"    // a Job as JSON under its id
	bucketDevices = "devices" // a Device as JSON under Device.key
	bucketBulk    = "bulk"    // a Bulk as JSON under its id
)

// record is what stands under a key; a nil value removes it.
type record struct {
	bucket, key string
	value       []byte
}

// store keeps records on disk. What concurrent callers put shares a commit.
type store struct {
	file    *dbfile.File // nil: in memory
	commits *dbfile.Commits[[]record]
}

func buckets() []string { return []string{bucketJobs, bucketDevices, bucketBulk} }

func openStore(dir string, noSync bool) (*store, error) {
	s := &store{}
	if dir == "" {
		return s, nil
	}
	var err error
	s.file, err = dbfile.Open(filepath.Join(dir, file), dbfile.Options{
		Kind: "the jobs of a hub", Format: formatNow, Without: "without jobs", NoSync: noSync,
		Check: func(tx *bolt.Tx) error { return readAll(tx, &Jobs{all: map[string]*Job{}, bulks: map[string]*Bulk{}}) },
		Make: func(tx *bolt.Tx) error {
			for _, name := range buckets() {
				if _, err := tx.CreateBucket([]byte(name)); err != nil {
					return err
				}
			}
			return nil
		},
	})
	if err != nil {
		return nil, err
	}
	s.commits = dbfile.NewCommits(s.write)
	return s, nil
}

func (s *store) close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}

// put writes records, all or none.
func (s *store) put(records ...record) error {
	if s.file == nil || len(records) == 0 {
		return nil
	}
	if err := s.commits.Add(records); err != nil {
		return fmt.Errorf("save jobs: %w", err)
	}
	return nil
}

func (s *store) write(together [][]record) error {
	return s.file.Update(func(tx *bolt.Tx) error {
		for _, records := range together {
			for _, r := range records {
				bucket, key := tx.Bucket([]byte(r.bucket)), []byte(r.key)
				if err := set(bucket, key, r.value); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

func set(bucket *bolt.Bucket, key, value []byte) error {
	if value == nil {
		return bucket.Delete(key)
	}
	return bucket.Put(key, value)
}

// load reads all records into j.
func (s *store) load(j *Jobs) error {
	if s.file == nil {
		return nil
	}
	return s.file.View(func(tx *bolt.Tx) error { return readAll(tx, j) })
}

func readAll(tx *bolt.Tx, j *Jobs) error {
	readers := map[string]func(key string, value []byte) error{bucketJobs: j.readJob, bucketDevices: j.readDevice, bucketBulk: j.readBulk}
	for _, name := range buckets() { // jobs before their devices
		b := tx.Bucket([]byte(name))
		if b == nil {
			return fmt.Errorf("it has no %s", name)
		}
		err := dbfile.Each(b, func(key, value []byte) error {
			if err := readers[name](string(key), value); err != nil {
				return fmt.Errorf("%s %q: %w", name, key, err)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (j *Jobs) readJob(key string, value []byte) error {
	job := &Job{}
	if err := json.Unmarshal(value, job); err != nil {
		return err
	}
	j.all[key] = job
	return job.prepare()
}

func (j *Jobs) readDevice(key string, value []byte) error {
	id, _, _ := strings.Cut(key, "\x00")
	job, there := j.all[id]
	if !there {
		return fmt.Errorf("there is no job %q", id)
	}
	d := &Device{}
	if err := json.Unmarshal(value, d); err != nil {
		return err
	}
	job.devices = append(job.devices, d)
	return nil
}

func (j *Jobs) readBulk(key string, value []byte) error {
	b := &Bulk{}
	j.bulks[key] = b
	return json.Unmarshal(value, b)
}
