package audit

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"maps"
	"slices"
	"strconv"
)

// keyPurpose names the derived key that MACs events.
const keyPurpose = "audit"

// keyID recognises a key without giving it away: the first 8 hex digits of
// its SHA-256.
func keyID(key []byte) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:4])
}

// canonical is the byte form of an event that the MAC covers: a version byte,
// then every field in the order of the table, each with its length in front,
// so that no two events share a form.
func canonical(e Event) []byte {
	b := []byte{1}
	add := func(s string) { b = appendField(b, s) }
	add(string(e.id[:]))
	add(strconv.FormatInt(e.at.UnixMicro(), 10))
	add(string(e.Actor.User[:]))
	add(string(e.Actor.Session[:]))
	add(string(e.Actor.Key[:]))
	add(string(e.Action))
	add(string(e.Target[:]))
	add(string(e.Outcome))
	address := ""
	if a := addrOrNull(e.address); a != nil {
		address = a.String()
	}
	add(address)
	add(e.requestID)
	add(strconv.Itoa(len(e.Details)))
	for _, k := range slices.Sorted(maps.Keys(e.Details)) {
		add(k)
		add(e.Details[k])
	}
	return b
}

func appendField(b []byte, s string) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(s)))
	return append(b, s...)
}

func mac(key []byte, e Event) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(canonical(e))
	return h.Sum(nil)
}

// Blind is a keyed hash of a value that must not stand in the log in clear,
// such as the address of someone unknown who tried to sign in: equal values
// are recognisable, the value is not. 32 hex digits.
func (l *Log) Blind(value string) string {
	h := hmac.New(sha256.New, l.keys("audit-blind")[0])
	h.Write([]byte(value))
	return hex.EncodeToString(h.Sum(nil)[:16])
}
