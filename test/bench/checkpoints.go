package main

import (
	"context"
	"errors"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"azx/internal/checkpoint"
	"azx/internal/delivery"
)

const (
	checkpointKey = "layer-checkpoint"
	saveInterval  = time.Second           // the connector's, of a partition
	lookForSaves  = 50 * time.Millisecond // far below it, so that none is missed
)

// saves counts how often the connector replaced its checkpoints, from outside: a save gives the file another time.
type saves struct {
	pattern     string
	first, last map[string]time.Time
	count       map[string]int
}

func countSaves(folder string) *saves {
	return &saves{
		pattern: filepath.Join(folder, "checkpoints", "*", "*.json"),
		first:   map[string]time.Time{}, last: map[string]time.Time{}, count: map[string]int{},
	}
}

// watch looks until ctx ends.
func (s *saves) watch(ctx context.Context) error {
	for pause(ctx, lookForSaves) {
		files, err := filepath.Glob(s.pattern)
		if err != nil {
			return err
		}
		for _, file := range files {
			info, err := os.Stat(file)
			if err != nil {
				return err
			}
			s.seen(file, info.ModTime())
		}
	}
	return nil
}

func (s *saves) seen(file string, at time.Time) {
	switch last, known := s.last[file]; {
	case !known:
		s.first[file] = at
	case at.Equal(last):
		return
	default:
		s.count[file]++
	}
	s.last[file] = at
}

// perInterval is the most that any partition had, to two digits: the times of files are a few milliseconds late now and then.
func (s *saves) perInterval() (most float64) {
	for file, n := range s.count {
		intervals := s.last[file].Sub(s.first[file]).Seconds() / saveInterval.Seconds()
		most = max(most, math.Round(float64(n)/intervals*100)/100)
	}
	return most
}

// measureSaves finds what one save of a partition's checkpoint costs, in a folder, with its two syncs.
func (b *bench) measureSaves(least time.Duration) (s layerSample, err error) {
	dir, err := os.MkdirTemp(b.dir, "saves-")
	if err != nil {
		return s, err
	}
	store, err := checkpoint.OpenFile(dir, checkpoint.Identity{Hub: "bench", Endpoint: "bench", EventHub: "events", Group: "azx"}, "bench")
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	ctx := context.Background() // a save is short
	at := delivery.Checkpoint{Enqueued: time.Now().UTC()}
	return layer{work: func() error {
		at.Sequence++
		at.Offset = strconv.FormatInt(at.Sequence, 10)
		return store.Save(ctx, "0", at)
	}}.measure(least)
}

// checkpointShare is the part of a row's CPU time, in percent, that its saves took: what one costs, times how many there were.
func (r *report) checkpointShare(key string) series {
	cost := r.layerOf(checkpointKey, func(s layerSample) float64 { return s.CPUPerM / 1e6 })
	cores := r.of(key, func(s sample) float64 { return s.Cores })
	share := series{}
	for round, perInterval := range r.saves(key) {
		if one, ok := cost[round]; ok && cores[round] > 0 {
			share[round] = 100 * one * perInterval * partitions / saveInterval.Seconds() / cores[round]
		}
	}
	return share
}

// saves leaves rounds out that were too short to tell.
func (r *report) saves(key string) series {
	counted := r.of(key, func(s sample) float64 { return s.Saves })
	maps.DeleteFunc(counted, func(_ int, n float64) bool { return n == 0 })
	return counted
}
