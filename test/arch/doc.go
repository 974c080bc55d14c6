// Package arch holds the house rules as tests: who may import whom, how large things may grow, and
// what does not occur in the code. tables_test.go has every list, with its reasons.
package arch
