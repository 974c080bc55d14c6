package app

import (
	"context"
	"errors"
	"time"

	"azx/internal/devices/presence"
)

const (
	mostOwed  = 1024             // changes that wait for Things that do not answer
	oweFor    = 30 * time.Second // between two attempts
	owedTries = 10
)

var errNotAnswered = errors.New("the Thing does not answer")

// owed is a change that its Thing is to hear of later. It counts as told: whoever is killed meanwhile leaves it untold.
type owed struct {
	presence.Change
	due   time.Time
	tries int
}

func (w *watch) owe(o owed) {
	o.due = time.Now().Add(oweFor)
	o.tries++
	if o.tries <= owedTries {
		select {
		case w.owed <- o:
			return
		default:
		}
	}
	w.refused(o.Change, errNotAnswered)
}

// settle tells what is owed until ctx ends, in the order in which it is due.
func (w *watch) settle(ctx context.Context) error {
	wait := time.NewTimer(0)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case o := <-w.owed:
			wait.Reset(time.Until(o.due))
			select {
			case <-ctx.Done():
				return nil
			case <-wait.C:
			}
			if !w.attempt(ctx, o.Change) {
				w.owe(o)
			}
		}
	}
}
