package thingworx

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"strings"

	"azx/alwayson/infotable"
)

// encryptedPrefix begins what was encrypted here, so that nothing is encrypted twice.
const encryptedPrefix = "azx1:"

// keySize is that of AES-256, in bytes.
const keySize = 32

// secret encrypts passwords with a key that the platform keeps with its state.
type secret struct {
	key  []byte
	aead cipher.AEAD
}

// newSecret uses key, or a new one if it is nil.
func newSecret(key []byte) (secret, error) {
	if key == nil {
		key = make([]byte, keySize)
		_, _ = rand.Read(key) // never fails
	}
	if len(key) != keySize {
		return secret{}, fmt.Errorf("encryption key: it has %d bytes, not %d", len(key), keySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return secret{}, fmt.Errorf("encryption key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	return secret{key, aead}, err
}

func (s *secret) encrypt(text string) string {
	nonce := make([]byte, s.aead.NonceSize())
	_, _ = rand.Read(nonce) // never fails
	return encryptedPrefix + base64.StdEncoding.EncodeToString(s.aead.Seal(nonce, nonce, []byte(text), nil))
}

// decrypt is the inverse of encrypt; the error does not show the text.
func (s *secret) decrypt(text string) (string, error) {
	encoded, ok := strings.CutPrefix(text, encryptedPrefix)
	raw, err := base64.StdEncoding.DecodeString(encoded)
	if n := s.aead.NonceSize(); ok && err == nil && len(raw) >= n {
		if plain, err := s.aead.Open(nil, raw[:n], raw[n:], nil); err == nil {
			return string(plain), nil
		}
	}
	return "", Refuse(Invalid, "this was not encrypted by this platform, or with another key")
}

// hide encrypts a password that is not yet; any other value stays as it is.
func (p *Platform) hide(v infotable.Value) infotable.Value {
	text, _ := v.Text()
	if v.Unwrap().Type() != infotable.TypePassword || text == "" {
		return v
	}
	if _, err := p.secret.decrypt(text); err == nil {
		return v
	}
	return infotable.Text(infotable.TypePassword, p.secret.encrypt(text))
}

// encryptionServices are those of EncryptionServices (read, but for DecryptPropertyValue, whose name is read and whose
// parameter is inferred from its sister's).
func encryptionServices() []*service {
	data := []Param{required("data", tString)}
	encrypt := func(p *Platform, c *call) (infotable.Value, error) {
		return infotable.String(p.secret.encrypt(c.text("data"))), nil
	}
	return []*service{
		native("EncryptPropertyValue", "Encrypt with the platform's key", data, tString, encrypt),
		native("Encrypt", "Encrypt with the platform's key", data, tString, encrypt),
		native("DecryptPropertyValue", "Decrypt what was encrypted with the platform's key", data, tString, func(p *Platform, c *call) (infotable.Value, error) {
			text, err := p.secret.decrypt(c.text("data"))
			return infotable.String(text), err
		}),
	}
}
