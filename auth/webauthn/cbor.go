package webauthn

import (
	"encoding/binary"
	"errors"
)

// The kinds of CBOR items (RFC 8949, section 3.1) that authenticators use.
const (
	cborUnsigned byte = iota
	cborNegative
	cborBytes
	cborText
	cborArray
	cborMap
	_ // tags: none has a meaning here
	cborSimple
)

// cborDeepest is how many arrays and maps may lie in each other. CTAP allows
// four; a compound attestation, which is passed over, has five.
const cborDeepest = 8

var (
	errCBOR     = errors.New("CBOR: malformed, cut off or of a form that authenticators do not use")
	errCBORKind = errors.New("CBOR: an item of another kind than expected")
)

// cbor reads a text of CBOR from front to back. Nothing is copied or built: a
// length that the text claims costs nothing until the bytes are there. Of the
// format it knows what authenticators write: lengths that are given
// beforehand, integers, strings, arrays, maps, true, false and null.
type cbor struct {
	rest []byte
}

// head reads the kind of the next item and its argument: its value, or the
// length in bytes or items, which the rest can hold.
func (c *cbor) head() (kind byte, argument uint64, err error) {
	if len(c.rest) == 0 {
		return 0, 0, errCBOR
	}
	kind, short := c.rest[0]>>5, c.rest[0]&0x1f
	c.rest = c.rest[1:]
	switch width := 1 << (short - 24); {
	case short < 24:
		argument = uint64(short)
	case short > 27 || len(c.rest) < width:
		return 0, 0, errCBOR
	default:
		var wide [8]byte
		copy(wide[8-width:], c.rest)
		argument, c.rest = binary.BigEndian.Uint64(wide[:]), c.rest[width:]
	}
	switch kind {
	case cborUnsigned, cborNegative:
		return kind, argument, nil
	case cborBytes, cborText, cborArray, cborMap:
		if argument <= uint64(len(c.rest)) { // an item has a byte or more
			return kind, argument, nil
		}
	case cborSimple:
		if short >= 20 && short <= 22 { // false, true, null
			return kind, argument, nil
		}
	}
	return 0, 0, errCBOR
}

// expect is head for an item whose kind is known.
func (c *cbor) expect(kind byte) (argument uint64, err error) {
	found, argument, err := c.head()
	if err == nil && found != kind {
		err = errCBORKind
	}
	return argument, err
}

// bytes reads a byte string, or a text with kind cborText.
func (c *cbor) bytes(kind byte) ([]byte, error) {
	length, err := c.expect(kind)
	if err != nil {
		return nil, err
	}
	b := c.rest[:length:length]
	c.rest = c.rest[length:]
	return b, nil
}

// integer reads an integer that fits an int64.
func (c *cbor) integer() (int64, error) {
	kind, argument, err := c.head()
	if err != nil {
		return 0, err
	}
	if kind > cborNegative || argument > 1<<63-1 {
		return 0, errCBORKind
	}
	if kind == cborNegative {
		return -1 - int64(argument), nil
	}
	return int64(argument), nil
}

// skip passes over the next item with all that is in it.
func (c *cbor) skip() error { return c.skipWithin(cborDeepest) }

func (c *cbor) skipWithin(deepest int) error {
	kind, argument, err := c.head()
	if err != nil {
		return err
	}
	switch kind {
	case cborBytes, cborText:
		c.rest = c.rest[argument:]
		return nil
	case cborMap:
		argument *= 2
	case cborArray:
	default:
		return nil
	}
	if deepest == 0 {
		return errors.New("CBOR: nested too deeply")
	}
	for range argument {
		if err := c.skipWithin(deepest - 1); err != nil {
			return err
		}
	}
	return nil
}
