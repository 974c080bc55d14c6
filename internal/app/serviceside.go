package app

import (
	"context"
	"errors"
	"fmt"

	"azx/internal/egress"
	"azx/internal/iothub"
	"azx/internal/message"
)

// serviceSide is the client of the hub's service side as egress.Hub: an edge and a flow know nothing of each other.
type serviceSide struct{ *iothub.Client }

// Send is egress.Hub's.
func (s serviceSide) Send(ctx context.Context, m egress.Message) error {
	return marked(s.Client.Send(ctx, iothub.Message{
		Device: m.Device, ID: m.ID, CorrelationID: m.CorrelationID,
		ContentType: m.ContentType, ContentEncoding: m.ContentEncoding,
		Ack: iothub.Ack(m.Ack), Expires: m.Expires, Properties: m.Properties, Body: m.Body,
	}))
}

// Call is egress.Hub's.
func (s serviceSide) Call(ctx context.Context, t message.Target, m egress.Method) (egress.Answer, error) {
	answer, err := s.Client.Call(ctx, iothub.Target(t), iothub.Method{
		Name: m.Name, Payload: m.Payload, Connect: m.Connect, Response: m.Response,
	})
	return egress.Answer{Status: answer.Status, Payload: answer.Payload}, marked(err)
}

// Twin is egress.Hub's.
func (s serviceSide) Twin(ctx context.Context, t message.Target) (egress.Twin, error) {
	twin, err := s.Client.Twin(ctx, iothub.Target(t))
	return twinOf(twin), marked(err)
}

// PatchTwin is egress.Hub's.
func (s serviceSide) PatchTwin(ctx context.Context, t message.Target, change egress.TwinChange, etag string) (egress.Twin, error) {
	twin, err := s.Client.PatchTwin(ctx, iothub.Target(t), iothub.TwinChange{Tags: change.Tags, Desired: change.Desired}, etag)
	return twinOf(twin), marked(err)
}

func twinOf(t iothub.Twin) egress.Twin {
	return egress.Twin{ETag: t.ETag, Version: t.Version, Desired: t.Properties.Desired, Reported: t.Properties.Reported, Tags: t.Tags}
}

// marked makes an error of the client one that egress, or the platform's edge, can tell.
func marked(err error) error {
	switch {
	case errors.Is(err, iothub.ErrChanged):
		return fmt.Errorf("%w: %w", egress.ErrChanged, err)
	case errors.Is(err, iothub.ErrThrottled):
		return fmt.Errorf("%w: %w", egress.ErrThrottled, err)
	case errors.Is(err, iothub.ErrNotFound):
		return absent{err}
	}
	return err
}

// absent is an error about a device or module that the hub does not have.
type absent struct{ error }

// NotFound lets the platform hear that there is no such thing.
func (absent) NotFound() bool { return true }

// Unwrap returns the client's error.
func (a absent) Unwrap() error { return a.error }
