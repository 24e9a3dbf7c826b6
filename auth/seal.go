package auth

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"errors"
)

// Sealer keeps values secret at rest that must be read again, such as a TOTP
// secret or a mail with a token in it: AES-256-GCM under a key derived from
// the platform's secret.
//
// A sealed value is 4 bytes of key id, a 12-byte nonce and the ciphertext. It
// opens only for the owner it was sealed for, so a value copied to another
// row is useless.
type Sealer struct {
	keys    func(purpose string) [][]byte
	purpose string
}

// NewSealer makes the sealer of one purpose; it reads no key yet.
func NewSealer(keys func(purpose string) [][]byte, purpose string) Sealer {
	return Sealer{keys, "seal " + purpose}
}

const sealKeyID = 4

var errSealed = errors.New("the value cannot be opened: it was changed, or it was sealed under a secret that is no longer configured")

// Seal encrypts plain for owner under the first secret.
func (s Sealer) Seal(plain []byte, owner string) []byte {
	return gcm(s.keys(s.purpose)[0]).Seal(s.Current(), nil, plain, []byte(owner))
}

// Open decrypts what Seal made for the same owner, under any of the secrets.
func (s Sealer) Open(sealed []byte, owner string) ([]byte, error) {
	for _, key := range s.keys(s.purpose) {
		text, ours := bytes.CutPrefix(sealed, sealID(key))
		if !ours {
			continue
		}
		if plain, err := gcm(key).Open(nil, nil, text, []byte(owner)); err == nil {
			return plain, nil
		}
	}
	return nil, errSealed
}

// Current is the key id that values sealed now begin with. A value that
// begins otherwise keeps an older secret in use until it is sealed anew.
func (s Sealer) Current() []byte {
	return sealID(s.keys(s.purpose)[0])
}

func sealID(key []byte) []byte { return Digest(key)[:sealKeyID] }

// gcm makes the nonce itself, and puts it before the ciphertext.
func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // only for keys that are not 32 bytes
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err)
	}
	return aead
}
