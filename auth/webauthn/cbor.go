package webauthn

import (
	"encoding/binary"
	"errors"
	"math"
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

var errCBOR = errors.New("CBOR: malformed, cut off or of a form that authenticators do not use")

// cbor reads a text of CBOR from front to back. A length that the text claims
// costs nothing until the bytes are there. Of the format it knows what
// authenticators write: lengths that are given beforehand, integers, strings,
// arrays, maps, true, false and null.
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

// item reads the next item with all that is in it: a number as int64, bytes, a
// text as string, a map by the numbers and texts that name what is in it, of
// which a list has none. What else there is has no meaning here and is nil.
func (c *cbor) item() (any, error) { return c.itemWithin(cborDeepest) }

func (c *cbor) itemWithin(deepest int) (any, error) {
	kind, argument, err := c.head()
	switch {
	case err != nil:
		return nil, err
	case kind == cborUnsigned && argument <= math.MaxInt64:
		return int64(argument), nil
	case kind == cborNegative && argument <= math.MaxInt64:
		return -1 - int64(argument), nil
	case kind == cborBytes || kind == cborText:
		b := c.rest[:argument:argument]
		c.rest = c.rest[argument:]
		if kind == cborText {
			return string(b), nil
		}
		return b, nil
	case kind != cborArray && kind != cborMap:
		return nil, nil
	case deepest == 0:
		return nil, errors.New("CBOR: nested too deeply")
	}
	members := map[any]any{}
	for range argument {
		var name any
		if kind == cborMap {
			if name, err = c.itemWithin(deepest - 1); err != nil {
				return nil, err
			}
		}
		member, err := c.itemWithin(deepest - 1)
		if err != nil {
			return nil, err
		}
		switch name.(type) {
		case int64, string:
			if _, twice := members[name]; twice {
				return nil, errCBOR
			}
			members[name] = member
		}
	}
	return members, nil
}
