package alwayson

import (
	"errors"
	"fmt"

	"azx/alwayson/infotable"
)

// Errors of connections, to be matched with errors.Is.
var (
	// ErrNotConnected: the Client has no authenticated connection at the moment. Nothing was sent.
	ErrNotConnected = errors.New("not connected to the platform")
	// ErrClosed: the connection ended. A request in flight may or may not have been carried out.
	ErrClosed = errors.New("connection ended")
	// ErrTooLarge: a message is larger than MaxMessageSize allows. Nothing was sent.
	ErrTooLarge = errors.New("message over the size limit")
	// ErrSilentPeer: nothing came from the peer although it was pinged, or for the whole idle time.
	ErrSilentPeer = errors.New("peer went silent")
	// ErrSlowPeer: the peer does not take what is written to it.
	ErrSlowPeer = errors.New("peer does not read")
	// ErrProtocol: the peer sent what neither WebSocket nor AlwaysOn allows.
	ErrProtocol = errors.New("protocol violation")
)

// Error is a refusal: the peer answered with a code that is not success.
type Error struct {
	Code   Code
	Reason string // the peer's text, may be empty
}

// Error returns the code and the peer's reason.
func (e *Error) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("refused with %s (0x%02X)", e.Code, uint8(e.Code))
	}
	return fmt.Sprintf("refused with %s (0x%02X): %s", e.Code, uint8(e.Code), e.Reason)
}

// UpgradeError is an HTTP status other than 101 in answer to the WebSocket upgrade.
type UpgradeError struct {
	Status int // HTTP status; 401 and 403 mean that the application key was refused
}

// Error names the status.
func (e *UpgradeError) Error() string {
	return fmt.Sprintf("upgrade to WebSocket answered with HTTP status %d", e.Status)
}

// IsCredentialRefused reports whether err says that the peer refused the credential, in the upgrade or in AUTH.
func IsCredentialRefused(err error) bool {
	var refusal *Error
	if errors.As(err, &refusal) {
		return refusal.Code == Unauthorized
	}
	var upgrade *UpgradeError
	return errors.As(err, &upgrade) && (upgrade.Status == 401 || upgrade.Status == 403)
}

// codeOf returns the code that answers a request which could not be decoded.
func codeOf(err error) Code {
	switch {
	case errors.Is(err, infotable.ErrUnsupportedType):
		return UnsupportedContent
	case errors.Is(err, infotable.ErrLimit), errors.Is(err, ErrTooLarge):
		return EntityTooLarge
	default:
		return BadRequest
	}
}
