package auth

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
)

// Everything that this server hands out and recognises by a signature is signed
// here: access and refresh tokens, the marks of known devices, what lets browsers
// through the gate, unlocked shares, preview links, contact forms and the
// doctor's probes. A signed value is base64url(value | MAC), the value of a
// length that its reader knows; the MAC may also cover what the value is bound
// to. The keys are derived from the platform's secret, one set for each purpose:
// the first signs, all verify.

// MAC is HMAC-SHA-256 over the parts, one after the other. All parts except one
// have a fixed length.
func MAC(key []byte, parts ...[]byte) []byte {
	h := hmac.New(sha256.New, key)
	for _, part := range parts {
		h.Write(part)
	}
	return h.Sum(nil)
}

// isMAC reports whether a MAC was made with one of keys.
func isMAC(keys [][]byte, mac []byte, parts ...[]byte) bool {
	for _, key := range keys {
		if hmac.Equal(mac, MAC(key, parts...)) {
			return true
		}
	}
	return false
}

// Sign signs a value with the first of keys.
func Sign(keys [][]byte, value []byte, bound ...[]byte) string {
	mac := MAC(keys[0], append([][]byte{value}, bound...)...)
	return base64.RawURLEncoding.EncodeToString(append(value, mac...))
}

// Signed is the value of so many bytes that one of keys has signed.
func Signed(keys [][]byte, text string, length int, bound ...[]byte) (value []byte, ok bool) {
	value, mac, ok := cutMAC(text, length)
	return value, ok && isMAC(keys, mac, append([][]byte{value}, bound...)...)
}

// cutMAC takes a signed value apart without judging it. There is one spelling
// of each: no stray bits, no padding.
func cutMAC(text string, length int) (value, mac []byte, ok bool) {
	if len(text) != base64.RawURLEncoding.EncodedLen(length+sha256.Size) {
		return nil, nil, false
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(raw) != length+sha256.Size {
		return nil, nil, false
	}
	return raw[:length:length], raw[length:], true
}

// Digest is the SHA-256 of v. It is what the database keeps of a secret with 128
// bits or more, which needs no salt and no slow hash.
func Digest[T string | []byte](v T) []byte {
	sum := sha256.Sum256([]byte(v))
	return sum[:]
}

// random is so many bytes that nobody can guess.
func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b)
	return b
}
