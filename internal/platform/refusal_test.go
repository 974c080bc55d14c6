package platform

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"azx/alwayson"
	"azx/internal/fault"
)

func TestEachClassOfErrorHasItsCode(t *testing.T) {
	problem := func(class fault.Class, cause error) error {
		return &fault.Problem{Op: "call reboot of Pump", Class: class, Cause: cause, Hint: "look at it"}
	}
	cause := errors.New("no")
	for _, tc := range []struct {
		name string
		err  error
		code alwayson.Code
		text string
	}{
		{"rejected", problem(fault.Rejected, cause), 0x80, "call reboot of Pump: no (look at it)"},
		{"rejected for what is not there", problem(fault.Rejected, missing{cause}), 0x84, "call reboot of Pump: no (look at it)"},
		{"not there, around the Problem", missing{problem(fault.Rejected, cause)}, 0x84, "call reboot of Pump: no (look at it)"},
		{"transient", problem(fault.Transient, cause), 0xA3, "call reboot of Pump: no (look at it)"},
		{"an error nobody classed", cause, 0xA3, "no"},
		{"a deadline", problem(fault.Transient, context.DeadlineExceeded), 0xA4, "call reboot of Pump: context deadline exceeded (look at it)"},
		{"a bare deadline", fmt.Errorf("call: %w", context.DeadlineExceeded), 0xA4, "call: context deadline exceeded"},
		{"rejected, though in time it was not", problem(fault.Rejected, context.DeadlineExceeded), 0x80,
			"call reboot of Pump: context deadline exceeded (look at it)"},
		{"credential", problem(fault.Credential, cause), 0xA2, "call reboot of Pump: no (look at it)"},
		{"fatal", problem(fault.Fatal, cause), 0xA0, "call reboot of Pump: no (look at it)"},
		{"wrapped", fmt.Errorf("carry: %w", problem(fault.Credential, cause)), 0xA2, "carry: call reboot of Pump: no (look at it)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := refusal(tc.err); got.Code != tc.code || got.Reason != tc.text || got.Content != nil {
				t.Errorf("got %s %q, want %s %q", got.Code, got.Reason, tc.code, tc.text)
			}
		})
	}
}

func TestARefusalsTextIsBoundedAndWhole(t *testing.T) {
	for _, text := range []string{strings.Repeat("a", 10*maxReason), strings.Repeat("é", maxReason), strings.Repeat("𝄞", maxReason), "bad\xff\xfe"} {
		got := refusal(errors.New(text)).Reason
		if len(got) > maxReason || !utf8.ValidString(got) || len(text) > maxReason && !strings.HasSuffix(got, " ...") {
			t.Errorf("%d bytes became %d: %q", len(text), len(got), got)
		}
	}
}

func TestARefusalTellsNoSecret(t *testing.T) {
	for _, text := range []string{
		"HostName=a;SharedAccessKeyName=service;SharedAccessKey=c2VjcmV0+/=;X=1", "SharedAccessSignature sr=a&sig=c2VjcmV0%3d&se=1",
		"GET https://a/b?appKey=c2VjcmV0: no", `{"password=c2VjcmV0"}`, "AccountKey=c2VjcmV0==;EndpointSuffix=b",
	} {
		if got := refusal(errors.New(text)).Reason; strings.Contains(got, "c2VjcmV0") || !strings.Contains(got, "=...") {
			t.Errorf("%q became %q", text, got)
		}
	}
}
