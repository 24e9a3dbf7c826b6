package webauthn

// The tests' door to the parsers, for fuzzing.

var ParseAuthData = func(b []byte) error { _, err := parseAuthData(b); return err }

var AuthDataOf = authDataOf

var ParseKey = func(b []byte) error { _, err := parseKey(b); return err }

// Pass passes over one CBOR item and returns what follows.
func Pass(b []byte) ([]byte, error) {
	c := cbor{b}
	_, err := c.item()
	return c.rest, err
}
