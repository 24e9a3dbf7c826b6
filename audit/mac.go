package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"

	"github.com/google/uuid"
)

// keyPurpose names the derived key that MACs events.
const keyPurpose = "audit"

// KeyID identifies a key without revealing it: the first 8 hex digits of its
// SHA-256.
func KeyID(key []byte) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:4])
}

// canonical is the byte form of an event that the MAC covers: a version byte, then
// every field in the order of the table, each preceded by its length, so that no
// two events have the same form.
func canonical(e Entry) []byte {
	b := append(make([]byte, 0, 320), 1)
	add := func(s string) { b = appendField(b, s) }
	addID := func(id *uuid.UUID) {
		if id == nil {
			id = &uuid.Nil
		}
		b = appendField(b, id[:])
	}
	addID(&e.ID)
	b = appendField(b, strconv.AppendInt(make([]byte, 0, 20), e.At.UnixMicro(), 10))
	addID(e.ActorUser)
	addID(e.Session)
	addID(e.Key)
	b = appendField(b, e.Action)
	addID(e.Target)
	b = appendField(b, e.Outcome)
	var address []byte
	if e.Address != nil && e.Address.IsValid() {
		address = addrOrNull(*e.Address).AppendTo(make([]byte, 0, 40))
	}
	b = appendField(b, address)
	add(e.RequestID)
	add(strconv.Itoa(len(e.Details)))
	if len(e.Details) == 0 { // as most are
		return b
	}
	for _, k := range slices.Sorted(maps.Keys(e.Details)) {
		add(k)
		add(e.Details[k])
	}
	return b
}

func appendField[T ~string | ~[]byte](b []byte, s T) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

// mac is HMAC-SHA-256.
func mac(key, data []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(data)
	return h.Sum(nil)
}

// Blind is a keyed hash, 32 hex digits, of a value that must not be in the log in
// clear, such as the address of a stranger who tried to sign in: it shows that two
// values are equal, but not what they are.
func (l *Log) Blind(value string) string {
	return hex.EncodeToString(mac(l.keys("audit-blind")[0], []byte(value))[:16])
}

// hexBytes are shown as hex digits.
type hexBytes []byte

func (b hexBytes) MarshalText() ([]byte, error) { return hex.AppendEncode(nil, b), nil }

func (b *hexBytes) UnmarshalText(text []byte) (err error) {
	*b, err = hex.AppendDecode(hexBytes{}, text)
	return err
}
