package platform

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"azx/alwayson"
	"azx/alwayson/infotable"
)

func TestWhatAReplyMeans(t *testing.T) {
	tests := []struct {
		code alwayson.Code
		want verdict
	}{
		{alwayson.Success, accepted},
		{0x41, accepted},
		{0x45, accepted},
		{alwayson.BadRequest, rejected},
		{alwayson.Unauthorized, badCredential},
		{alwayson.BadOption, rejected},
		{alwayson.Forbidden, rejected},
		{alwayson.NotFound, rejected},
		{alwayson.MethodNotAllowed, rejected},
		{alwayson.PreconditionFailed, rejected},
		{alwayson.EntityTooLarge, rejected},
		{alwayson.UnsupportedContent, rejected},
		{0x9F, rejected},
		{alwayson.InternalServerError, doubtful},
		{alwayson.NotImplemented, unavailable},
		{alwayson.BadGateway, unavailable},
		{alwayson.ServiceUnavailable, unavailable},
		{alwayson.GatewayTimeout, unavailable},
		{0xBF, unavailable},
		{0x60, unavailable},
		{0xFF, unavailable},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s is %s", tt.code, tt.want), func(t *testing.T) {
			if got := judge(tt.code); got != tt.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

func TestWhatItMeansThatThereIsNoReply(t *testing.T) {
	tests := []struct {
		err  error
		want verdict
	}{
		{context.DeadlineExceeded, noReply},
		{alwayson.ErrNotConnected, disconnected},
		{fmt.Errorf("read: %w", alwayson.ErrClosed), disconnected},
		{errors.New("anything else"), disconnected},
		{&alwayson.UpgradeError{Status: 401}, badCredential},
		{alwayson.ErrTooLarge, rejected},
		{fmt.Errorf("decode response: %w", infotable.ErrLimit), rejected},
		{infotable.ErrMalformed, rejected},
		{infotable.ErrTruncated, rejected},
		{infotable.ErrUnsupportedType, rejected},
		{fmt.Errorf("%w: %w", alwayson.ErrClosed, infotable.ErrMalformed), disconnected}, // the connection is what failed
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%v is %s", tt.err, tt.want), func(t *testing.T) {
			if got := judgeError(tt.err); got != tt.want {
				t.Errorf("got %s", got)
			}
		})
	}
}

// A platform that stops answering is in trouble as a whole, also if much had succeeded in the moment before.
func TestSuccessesBeforeAFailureBlameNobody(t *testing.T) {
	for _, v := range []verdict{noReply, unavailable, doubtful} {
		p := patience{seen: 100}
		for try := range 100 {
			if p.exhausted(v, 150) {
				t.Errorf("%s: at fault after try %d", v, try+1)
			}
		}
	}
}

func TestARequestIsAtFaultOnlyIfOthersSucceed(t *testing.T) {
	tests := []struct {
		name    string
		v       verdict
		others  int64
		pause   time.Duration
		probe   bool
		atFault int // the try after which the request is at fault; 0: never
	}{
		{"server errors while others succeed", doubtful, 1, 0, false, doubtfulTries},
		{"server errors of all", doubtful, 0, time.Minute, false, 0},
		{"time-outs while others succeed", noReply, 1, 0, false, silentTries},
		{"time-outs of all", noReply, 0, time.Minute, false, 0},
		{"unavailable while others succeed", unavailable, 1, time.Minute, false, unableTries},
		{"unavailable for a short time", unavailable, 1, time.Second, false, 0},
		{"unavailable for long enough", unavailable, 1, 5 * time.Second, false, 10},
		{"unavailable for all", unavailable, 0, time.Minute, false, 0},
		{"no connection", disconnected, 1, time.Minute, false, 0},
		{"a refused credential", badCredential, 1, time.Minute, false, 0},
		{"a time-out of a probe", noReply, 1, 0, true, 1},
		{"unavailable for a probe", unavailable, 1, 0, true, 1},
		{"a time-out of a probe, and of all others", noReply, 0, time.Minute, true, 0},
		{"a server error of a probe", doubtful, 1, 0, true, doubtfulTries},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := patience{seen: 100, probe: tt.probe}
				got := 0
				for try := 1; try <= 20 && got == 0; try++ {
					if p.exhausted(tt.v, 100+int64(try)*tt.others) {
						got = try
					}
					pass(tt.pause)
				}
				if got != tt.atFault {
					t.Errorf("at fault after try %d, want %d", got, tt.atFault)
				}
			})
		})
	}
}
