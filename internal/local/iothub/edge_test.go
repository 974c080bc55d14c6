package iothub

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// edgeRig is a hub with an edge device, a module of it, a leaf behind it, and a device that has nothing to do with it.
func edgeRig(t *testing.T) *Hub {
	t.Helper()
	h := newHub(t, Config{})
	for _, spec := range []Spec{{ID: ID{Device: "edge"}, Edge: true}, {ID: ID{Device: "edge", Module: "press"}}, {ID: ID{Device: "leaf"}, Parent: "edge"},
		{ID: ID{Device: "plain"}}, {ID: ID{Device: "plain", Module: "m"}}} {
		if _, err := h.Registry().Add(spec); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func TestTheConnectionStateOfAnEdgeDeviceFollowsItsMessages(t *testing.T) {
	for _, c := range []struct {
		id          ID
		before, now string // sending
	}{
		{ID{Device: "edge"}, "Disconnected", "Connected"},
		{ID{Device: "edge", Module: "$edgeAgent"}, "Disconnected", "Connected"},
		{ID{Device: "edge", Module: "press"}, "Disconnected", "Connected"},
		{ID{Device: "leaf"}, "Connected", "Connected"},
		{ID{Device: "plain"}, "Connected", "Connected"},
		{ID{Device: "plain", Module: "m"}, "Connected", "Connected"},
	} {
		t.Run(c.id.String(), func(t *testing.T) {
			h := edgeRig(t)
			identity, err := h.Registry().Get(c.id)
			if err != nil {
				t.Fatal(err)
			}
			state := func(want string) {
				t.Helper()
				document, err := h.TwinDocument(c.id)
				if err != nil || document["connectionState"] != want || h.Presence(c.id).State() != want {
					t.Errorf("is %v and %s, %v; want %s", document["connectionState"], h.Presence(c.id).State(), err, want)
				}
			}
			state("Disconnected")
			for range 2 { // a connection that has sent is forgotten with its end
				session, err := h.Enter(principalOf(identity), func(error) {})
				if err != nil {
					t.Fatal(err)
				}
				state(c.before)
				if _, err := h.PatchReported(principalOf(identity), []byte(`{"a":1}`)); err != nil {
					t.Fatal(err)
				}
				state(c.before)
				if !h.Presence(c.id).Connected {
					t.Error("the hub itself does not know that it is connected")
				}
				if _, err := h.Accept(principalOf(identity), Message{}); err != nil {
					t.Fatal(err)
				}
				state(c.now)
				session.Leave()
				state("Disconnected")
			}
		})
	}
}

// TestALeafConnectsItselfAndNotThroughItsParent is about tokens, which is where the hub decides.
func TestALeafConnectsItselfAndNotThroughItsParent(t *testing.T) {
	h := edgeRig(t)
	token := func(audience, signer ID) string {
		t.Helper()
		identity, err := h.Registry().Get(signer)
		if err != nil {
			t.Fatal(err)
		}
		text, err := SignToken("localhost/"+audience.Path(), "", identity.PrimaryKey, noon.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	leaf, edgeHub := ID{Device: "leaf"}, ID{Device: "edge", Module: "$edgeHub"}
	for name, c := range map[string]struct {
		token, hint string
	}{
		"its own":                           {token(leaf, leaf), ""},
		"its parent's $edgeHub's":           {token(edgeHub, edgeHub), "directly and with its own token"},
		"its own, signed by its parent":     {token(leaf, ID{Device: "edge"}), "signature"},
		"its own, signed by the $edgeHub":   {token(leaf, edgeHub), "signature"},
		"its parent's":                      {token(ID{Device: "edge"}, ID{Device: "edge"}), "does not cover"},
		"that of a device beside its route": {token(ID{Device: "plain"}, ID{Device: "plain"}), "does not cover"},
	} {
		t.Run("with a token that is "+name, func(t *testing.T) {
			p, err := h.VerifyHub(c.token, "localhost/"+leaf.Path())
			if c.hint == "" {
				if err != nil || p.ID != leaf {
					t.Fatalf("got %+v, %v", p, err)
				}
				return
			}
			if !errors.Is(err, ErrUnauthorized) || !strings.Contains(err.Error(), c.hint) {
				t.Fatalf("got %v, want a refusal that says %q", err, c.hint)
			}
		})
	}
}

func TestALeafWithAParentHasAllThatADeviceHas(t *testing.T) {
	h := edgeRig(t)
	leaf := ID{Device: "leaf"}
	identity, err := h.Registry().Get(leaf)
	if err != nil {
		t.Fatal(err)
	}
	session := online(t, h, identity)
	send(t, h, leaf, CloudMessage{})
	if o, err := h.Outbox(leaf); err != nil || o.Count() != 1 {
		t.Errorf("messages to it: %v", err)
	}
	if _, err := h.PatchTwin(leaf, "", TwinUpdate{Desired: map[string]any{"a": 1}}); err != nil {
		t.Errorf("its twin: %v", err)
	}
	feed := session.ServeMethods()
	go func() {
		request, err := feed.Next(t.Context())
		if err == nil {
			session.AnswerMethod(request.RequestID, 200, []byte("1"))
		}
	}()
	if result, err := h.Invoke(t.Context(), leaf, MethodCall{Name: "m"}); err != nil || result.Status != 200 {
		t.Errorf("a method: %+v, %v", result, err)
	}
	e, err := h.Accept(principalOf(identity), Message{})
	if err != nil || e.From != leaf {
		t.Errorf("a message from it: %+v, %v", e, err)
	}
}
