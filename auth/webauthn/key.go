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
var Algorithms = []int{algEdDSA, algES256, algRS256}

const (
	algEdDSA = -8
	algES256 = -7
	algRS256 = -257
)

// Labels and values of COSE keys (RFC 9052, section 7; RFC 9053; RFC 8230).
const (
	coseType      = 1
	coseAlgorithm = 3
	coseCurve     = -1 // RSA: the modulus
	coseX         = -2 // RSA: the exponent
	coseY         = -3

	typeOKP = 1
	typeEC2 = 2
	typeRSA = 3

	curveP256    = 1
	curveEd25519 = 6
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

// cosePart is the value of one label: a number, or bytes.
type cosePart struct {
	number int64
	bytes  []byte // nil: a number
}

// parseKey reads a COSE key, which is all of b.
func parseKey(b []byte) (crypto.PublicKey, error) {
	if len(b) > keyLongest {
		return nil, errKey
	}
	c := cbor{b}
	count, err := c.expect(cborMap)
	if err != nil {
		return nil, err
	}
	parts := map[int64]cosePart{}
	for range count {
		label, part, err := c.cosePart()
		if err != nil {
			return nil, err
		}
		parts[label] = part
	}
	if len(c.rest) > 0 || uint64(len(parts)) != count { // a label that comes twice counts once
		return nil, errKey
	}
	kind, curve, x, y := parts[coseType].number, parts[coseCurve], parts[coseX].bytes, parts[coseY].bytes
	switch parts[coseAlgorithm].number {
	case algES256:
		if kind != typeEC2 || curve.number != curveP256 || len(x) != 32 || len(y) != 32 {
			return nil, errKey
		}
		point := append(append([]byte{4}, x...), y...)
		return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	case algEdDSA:
		if kind != typeOKP || curve.number != curveEd25519 || len(x) != ed25519.PublicKeySize {
			return nil, errKey
		}
		return ed25519.PublicKey(x), nil
	case algRS256:
		n, e := new(big.Int).SetBytes(curve.bytes), new(big.Int).SetBytes(x)
		if kind != typeRSA || n.BitLen() < rsaSmallest || n.BitLen() > rsaLargest || e.BitLen() > 31 || e.Cmp(big.NewInt(3)) < 0 || e.Bit(0) == 0 {
			return nil, errKey
		}
		return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
	}
	return nil, errors.New("public key: of an algorithm that was not offered")
}

// cosePart reads a label and its value. What is neither a number nor bytes
// belongs to a label that is not looked at.
func (c *cbor) cosePart() (label int64, p cosePart, err error) {
	if label, err = c.integer(); err != nil {
		return label, p, err
	}
	if len(c.rest) == 0 {
		return label, p, errCBOR
	}
	switch c.rest[0] >> 5 {
	case cborUnsigned, cborNegative:
		p.number, err = c.integer()
	case cborBytes:
		p.bytes, err = c.bytes(cborBytes)
	default:
		err = c.skip()
	}
	return label, p, err
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
