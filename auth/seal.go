package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
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

const (
	sealKeyID = 4
	sealNonce = 12
)

var errSealed = errors.New("the value cannot be opened: it was changed, or it was sealed under a secret that is no longer configured")

// Seal encrypts plain for owner under the first secret.
func (s Sealer) Seal(plain []byte, owner string) []byte {
	key := s.keys(s.purpose)[0]
	id := sealID(key)
	sealed := append([]byte{}, id[:]...)
	nonce := make([]byte, sealNonce)
	rand.Read(nonce)
	sealed = append(sealed, nonce...)
	return gcm(key).Seal(sealed, nonce, plain, []byte(owner))
}

// Open decrypts what Seal made for the same owner, under any of the secrets.
func (s Sealer) Open(sealed []byte, owner string) ([]byte, error) {
	if len(sealed) < sealKeyID+sealNonce {
		return nil, errSealed
	}
	for _, key := range s.keys(s.purpose) {
		if sealID(key) != [sealKeyID]byte(sealed) {
			continue
		}
		plain, err := gcm(key).Open(nil, sealed[sealKeyID:sealKeyID+sealNonce], sealed[sealKeyID+sealNonce:], []byte(owner))
		if err == nil {
			return plain, nil
		}
	}
	return nil, errSealed
}

// Current is the key id that values sealed now begin with. A value that
// begins otherwise keeps an older secret in use until it is sealed anew.
func (s Sealer) Current() []byte {
	id := sealID(s.keys(s.purpose)[0])
	return id[:]
}

func sealID(key []byte) [sealKeyID]byte {
	sum := sha256.Sum256(key)
	return [sealKeyID]byte(sum[:])
}

func gcm(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // only for keys that are not 32 bytes
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return aead
}
