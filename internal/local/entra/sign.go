package entra

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"strings"
)

// sign makes the third part of a token with RS256.
func sign(key *rsa.PrivateKey, text string) string {
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digestOf(text))
	if err != nil { // the key is long enough
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(signature)
}

// signed reports whether the application's certificate made an assertion.
func (a App) signed(assertion string) bool {
	parts := strings.Split(assertion, ".")
	if len(parts) != 3 || a.Certificate == nil {
		return false
	}
	key, ok := a.Certificate.PublicKey.(*rsa.PublicKey)
	head, headErr := base64.RawURLEncoding.DecodeString(parts[0])
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	var fields struct{ Alg string }
	if !ok || headErr != nil || err != nil || json.Unmarshal(head, &fields) != nil {
		return false
	}
	digest := digestOf(parts[0] + "." + parts[1])
	if fields.Alg == "PS256" {
		return rsa.VerifyPSS(key, crypto.SHA256, digest, signature, nil) == nil
	}
	return rsa.VerifyPKCS1v15(key, crypto.SHA256, digest, signature) == nil
}
