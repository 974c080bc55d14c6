package main

// mutant is a build tag that plants a fault.
type mutant struct {
	tag    string
	what   string
	cases  []string // that have to find it: one is enough
	shown  string   // regular expression of what they say then
	failed []string // that found it
}

// all are the mutants of the tree.
func all() []mutant {
	return []mutant{
		{tag: "mutant_cut_writes", what: "a write is answered and never sent", cases: []string{"F03"}, shown: "more messages are written: 0 are"},
		{tag: "mutant_ack_early", what: "a write is settled before it is acknowledged", cases: []string{"F04", "F21"}, shown: "comes to its end|I3 order"},
		{tag: "mutant_trust_silence", what: "a write whose answer was lost is settled", cases: []string{"F11", "F21"}, shown: "comes to its end"},
		{tag: "mutant_checkpoint_received", what: "a checkpoint passes what was received and is open", cases: []string{"F04"}, shown: "comes to its end|I2 checkpoint safety"},
		{tag: "mutant_settle_any_order", what: "a checkpoint passes an open message once a later one is settled", cases: []string{"F42"}, shown: "I2 checkpoint safety"},
		{tag: "mutant_start_latest", what: "without a checkpoint reading begins at the end", cases: []string{"F01"}, shown: "comes to its end"},
		{tag: "mutant_no_fence", what: "a checkpoint is written without a held lease", cases: []string{"F12"}, shown: "without a lease"},
		{tag: "mutant_no_drain", what: "a stop does not wait for what is in flight", cases: []string{"F03"}, shown: "were written again after stops that drained"},
		{tag: "mutant_any_lane", what: "messages of a Thing overtake each other", cases: []string{"F20"}, shown: "I3 order"},
		{tag: "mutant_unbounded", what: "nothing bounds what is in flight", cases: []string{"F20"}, shown: "messages are in flight with 1 MiB"},
		{tag: "mutant_swallow_decode", what: "what cannot be decoded is gone", cases: []string{"F07", "F22"}, shown: "quarantine: \\[\\]|comes to its end"},
		{tag: "mutant_drop_when_full", what: "what the quarantine cannot store is gone", cases: []string{"F42"}, shown: "readyz tells quarantine writable"},
		{tag: "mutant_log_secret", what: "the log tells the connection string", cases: []string{"F02"}, shown: "I8 secrets"},
		{tag: "mutant_skip_tls", what: "the hub's certificate is not verified", cases: []string{"F37"}, shown: "what is wrong with the certificate"},
	}
}
