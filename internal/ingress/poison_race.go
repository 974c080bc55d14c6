//go:build race

package ingress

const poisons = true
