//go:build mutant_skip_tls

package dial

import "crypto/tls"

// strict plants a fault that tests have to find: nobody is verified.
func strict() *tls.Config { return &tls.Config{InsecureSkipVerify: true} }
