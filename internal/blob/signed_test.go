package blob

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"azx/internal/fault"
	"azx/internal/secret"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// account answers as a storage account does, with statuses of before the first of its answers.
func account(t *testing.T, before ...int) (s *Signed, calls *atomic.Int64) {
	calls = &atomic.Int64{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := int(calls.Add(1))
		w.Header().Set("X-Ms-Error-Code", "ThatIsWhy")
		switch {
		case r.URL.Query().Get("sig") != "topsecret":
			w.WriteHeader(http.StatusForbidden)
		case n <= len(before):
			w.WriteHeader(before[n-1])
		case r.URL.Path != "/box/a.txt":
			w.WriteHeader(http.StatusNotFound)
		case r.Method == http.MethodDelete:
			w.WriteHeader(http.StatusAccepted)
		default:
			var from, to int
			_, _ = fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to)
			const text = "0123456789"
			if from >= len(text) {
				w.WriteHeader(http.StatusRequestedRangeNotSatisfiable)
				return
			}
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write([]byte(text[from:min(to+1, len(text))]))
		}
	}))
	s = NewSigned(secret.Literal(server.URL+"/box?sv=1&sig=topsecret"), nil, "--flag")
	t.Cleanup(server.Close)
	t.Cleanup(s.Close)
	return s, calls
}

func TestABlobIsReadInPieces(t *testing.T) {
	s, _ := account(t)
	for from, want := range map[int64]string{0: "0123", 1: "1234", 8: "89", 10: ""} {
		if got, err := s.Read(t.Context(), "a.txt", from, 4); err != nil || string(got) != want {
			t.Errorf("from %d: got %q, %v", from, got, err)
		}
	}
	for _, name := range []string{"a.txt", "gone.txt"} {
		if err := s.Remove(t.Context(), name); err != nil {
			t.Errorf("remove %s: %v", name, err)
		}
	}
}

func TestWhatPassesIsRepeatedAndWhatDoesNotIsTold(t *testing.T) {
	for name, c := range map[string]struct {
		before []int
		blob   string
		class  fault.Class
		calls  int64
		says   string
	}{
		"busy once":       {[]int{503}, "a.txt", 0, 2, ""},
		"not allowed":     {[]int{403}, "a.txt", fault.Credential, 1, "403 ThatIsWhy"},
		"another place":   {[]int{302}, "a.txt", 0, 2, ""},
		"not there":       {nil, "b.txt", fault.Rejected, 1, "read blob b.txt of container"},
		"no range at all": {[]int{200, 200}, "a.txt", 0, 3, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, calls := account(t, c.before...)
			_, err := s.Read(t.Context(), c.blob, 0, 4)
			if calls.Load() != c.calls || (err != nil) != (c.says != "") {
				t.Fatalf("%d calls, %v", calls.Load(), err)
			}
			if err != nil && (fault.ClassOf(err) != c.class || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "topsecret")) {
				t.Errorf("got %s, %v", fault.ClassOf(err), err)
			}
		})
	}
}

func TestAContainerThatCannotBeIsRefusedWithoutItsSignature(t *testing.T) {
	for name, uri := range map[string]string{
		"no address":     "box?sig=topsecret",
		"no container":   "https://a.blob.core.windows.net/?sig=topsecret",
		"no signature":   "https://a.blob.core.windows.net/box",
		"in the clear":   "http://a.blob.core.windows.net/box?sig=topsecret",
		"not even a URI": "https://a b/box?sig=topsecret",
		"with a user":    "https://topsecret@a.blob.core.windows.net/box?sig=topsecret",
	} {
		t.Run(name, func(t *testing.T) {
			s := NewSigned(secret.Literal(uri), nil, "--flag")
			_, err := s.URI()
			if fault.ClassOf(err) != fault.Rejected || !strings.Contains(err.Error(), "--flag") || strings.Contains(err.Error(), "topsecret") {
				t.Errorf("got %v", err)
			}
		})
	}
	s := NewSigned(secret.Literal("http://127.0.0.1:1/box?sig=topsecret"), nil, "--flag")
	defer s.Close()
	if place, err := s.Place(); place != "127.0.0.1:1/box" || err != nil {
		t.Errorf("got %q, %v", place, err)
	}
	if _, err := s.Read(t.Context(), "a.txt", 0, 4); err == nil || fault.ClassOf(err) != fault.Transient || strings.Contains(err.Error(), "topsecret") {
		t.Errorf("got %v", err)
	}
}
