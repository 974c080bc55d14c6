//go:build !race

package ingress

// poisons has what carried a message not be usable once that has ended, so that who ends it twice is found: it carries another by then.
const poisons = false
