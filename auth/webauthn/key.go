package webauthn

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
)

// Algorithms are the COSE algorithms that Verify knows, the best first: EdDSA
// with Ed25519, ES256 with P-256, RS256.
var Algorithms = []int64{algEdDSA, algES256, algRS256}

const (
	algEdDSA int64 = -8
	algES256 int64 = -7
	algRS256 int64 = -257
)

// Labels and values of COSE keys (RFC 9052, section 7; RFC 9053; RFC 8230).
const (
	coseType      int64 = 1
	coseAlgorithm int64 = 3
	coseCurve     int64 = -1 // RSA: the modulus
	coseX         int64 = -2 // RSA: the exponent
	coseY         int64 = -3

	typeOKP int64 = 1
	typeEC2 int64 = 2
	typeRSA int64 = 3

	curveP256    int64 = 1
	curveEd25519 int64 = 6
)

// The sizes of RSA keys: a larger one makes each sign-in slow.
const (
	rsaSmallest = 2048
	rsaLargest  = 4096
)

// keyLongest is the length in bytes up to which COSE keys go. One of RSA with
// 4096 bits has about 540; labels that nobody reads shall not fill the table.
const keyLongest = 1024

var errKey = errors.New("public key: malformed")

// parseKey reads a COSE key, which is all of b.
func parseKey(b []byte) (crypto.PublicKey, error) {
	if len(b) > keyLongest {
		return nil, errKey
	}
	c := cbor{b}
	item, err := c.item()
	parts, ok := item.(map[any]any)
	if err == nil && (!ok || len(c.rest) > 0) {
		err = errKey
	}
	if err != nil {
		return nil, err
	}
	kind, curve := parts[coseType], parts[coseCurve]
	x, _ := parts[coseX].([]byte)
	switch parts[coseAlgorithm] {
	case algES256:
		y, _ := parts[coseY].([]byte)
		if kind != typeEC2 || curve != curveP256 || len(x) != 32 || len(y) != 32 {
			return nil, errKey
		}
		point := append(append([]byte{4}, x...), y...)
		return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	case algEdDSA:
		if kind != typeOKP || curve != curveEd25519 || len(x) != ed25519.PublicKeySize {
			return nil, errKey
		}
		return ed25519.PublicKey(x), nil
	case algRS256:
		modulus, _ := curve.([]byte)
		n, e := new(big.Int).SetBytes(modulus), new(big.Int).SetBytes(x)
		if kind != typeRSA || n.BitLen() < rsaSmallest || n.BitLen() > rsaLargest || e.BitLen() > 31 || e.Cmp(big.NewInt(3)) < 0 || e.Bit(0) == 0 {
			return nil, errKey
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
	}
	return nil, errors.New("public key: of an algorithm that was not offered")
}

// verify holds a signature over message against a COSE key.
func verify(coseKey, message, signature []byte) error {
	key, err := parseKey(coseKey)
	if err != nil {
		return fmt.Errorf("the key that is kept: %w", err)
	}
	ok, digest := false, sha256.Sum256(message)
	switch key := key.(type) {
	case *ecdsa.PublicKey:
		ok = ecdsa.VerifyASN1(key, digest[:], signature)
	case ed25519.PublicKey:
		ok = ed25519.Verify(key, message, signature)
	case *rsa.PublicKey:
		ok = rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], signature) == nil
	}
	if !ok {
		return errors.New("the signature does not match")
	}
	return nil
}
