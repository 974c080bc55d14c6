//go:build !mutant_skip_tls

package dial

import "crypto/tls"

// strict is what every TLS connection begins with: the other side is always verified.
func strict() *tls.Config { return &tls.Config{MinVersion: tls.VersionTLS12} }
