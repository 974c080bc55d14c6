package admin

import (
	"bufio"
	"net/http"
	"testing"

	"azx/internal/tail"
)

// watch asks for a stream.
func watch(t *testing.T, s *Server, query, key string) *http.Response {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.Addr()+"/tail?"+query, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+key)
	request.Close = true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return answer
}

func TestMessagesAreStreamedToWhoHasTheKey(t *testing.T) {
	var all tail.Tail
	s := serve(t, Options{Tail: &all, TailKey: "canary"})
	for name, c := range map[string]struct {
		query, key string
		status     int
	}{
		"another key":      {"stage=received", "guess", http.StatusUnauthorized},
		"no key":           {"stage=received", "", http.StatusUnauthorized},
		"an unknown stage": {"stage=mapped", "canary", http.StatusBadRequest},
	} {
		if got := watch(t, s, c.query, c.key).StatusCode; got != c.status {
			t.Errorf("%s: status %d, want %d", name, got, c.status)
		}
	}
	stream := watch(t, s, "stage=received&device=pump-1", "canary")
	if stream.StatusCode != http.StatusOK {
		t.Fatal(stream.Status)
	}
	all.Offer(tail.Received, "pump-2", []byte(`{"n":1}`))
	all.Offer(tail.Received, "pump-1", []byte(`{"n":2}`))
	line, err := bufio.NewReader(stream.Body).ReadString('\n')
	if err != nil || line != "{\"n\":2}\n" {
		t.Errorf("got %q, %v", line, err)
	}
	for range 3 {
		watch(t, s, "stage=written", "canary")
	}
	if got := watch(t, s, "stage=written", "canary").StatusCode; got != http.StatusServiceUnavailable {
		t.Errorf("the fifth: status %d", got)
	}
}

func TestWithoutAKeyNobodyWatches(t *testing.T) {
	s := serve(t, Options{Tail: new(tail.Tail)})
	if got := watch(t, s, "stage=received", "").StatusCode; got != http.StatusUnauthorized {
		t.Errorf("status %d", got)
	}
}
