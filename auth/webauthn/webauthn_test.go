package webauthn_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"homebase/auth/webauthn"
)

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func clientData(t *testing.T, members map[string]any) []byte {
	t.Helper()
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// Only what differs from a registration that is right is given.
func TestRegister_ClientDataMustFit(t *testing.T) {
	t.Parallel()
	v := vectorNamed(t, "none-es256")
	right := func() map[string]any {
		return map[string]any{"type": "webauthn.create", "challenge": b64(v.Registration.Challenge), "origin": "https://example.org"}
	}
	try := func(text []byte) error {
		_, err := ceremony(v.Registration.Challenge).Register(text, v.Registration.AttestationObject)
		return err
	}
	if err := try(clientData(t, right())); err != nil {
		t.Fatalf("without crossOrigin: %v", err)
	}
	for _, wrong := range []struct {
		name  string
		value any
		why   string
	}{
		{"type", "webauthn.get", "another ceremony"},
		{"type", 1, "malformed"},
		{"type", nil, "malformed"},
		{"challenge", b64([]byte("another")), "another challenge"},
		{"challenge", b64(v.Registration.Challenge) + "=", "another challenge"},
		{"challenge", "", "another challenge"},
		{"origin", "https://example.org.evil.example", "origin"},
		{"origin", "http://example.org", "origin"},
		{"origin", "https://example.org:8443", "origin"},
		{"origin", "https://EXAMPLE.org", "origin"},
		{"origin", "null", "origin"},
		{"origin", []string{"https://example.org"}, "malformed"},
		{"crossOrigin", true, "another site's page"},
		{"crossOrigin", "false", "another site's page"},
		{"crossOrigin", nil, "another site's page"},
		{"topOrigin", "https://example.org", "another site's page"},
	} {
		members := right()
		members[wrong.name] = wrong.value
		if err := try(clientData(t, members)); err == nil || !strings.Contains(err.Error(), wrong.why) {
			t.Errorf("%s %v: %v, want one about %q", wrong.name, wrong.value, err, wrong.why)
		}
	}
	for _, text := range []string{"", "null", "[]", "{", `{"type":"webauthn.create"}`, `{"Type":"webauthn.create","Challenge":"","Origin":""}`, strings.Repeat("[", 20_000)} {
		if err := try([]byte(text)); err == nil || !strings.Contains(err.Error(), "malformed") {
			t.Errorf("%.40q: %v", text, err)
		}
	}
}

// authenticatorData are some with a credential of the id and the key.
func authenticatorData(flags byte, id, key []byte) []byte {
	domain := sha256.Sum256([]byte("example.org"))
	b := append(domain[:], flags, 0, 0, 0, 1)
	b = append(b, make([]byte, 16)...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(id)))
	return slices.Concat(b, id, key)
}

// attestation is an attestation object around authenticator data.
func attestation(data []byte) []byte {
	b := []byte("\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59")
	b = binary.BigEndian.AppendUint16(b, uint16(len(data)))
	return append(b, data...)
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The key of the vector none-es256, and parts of it.
const (
	keyX = "215820" + "afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df61"
	keyY = "225820" + "930a56b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220"
	key  = "a5010203262001" + keyX + keyY
)

func TestRegister_WhatIsWrongInTheAttestationObjectIsRefused(t *testing.T) {
	t.Parallel()
	v := vectorNamed(t, "none-es256")
	try := func(object []byte) error {
		_, err := ceremony(v.Registration.Challenge).Register(v.Registration.ClientData, object)
		return err
	}
	id, good := []byte("an id of sixteen"), unhex(t, key)
	built := func(flags byte, id []byte, key string) []byte {
		return attestation(authenticatorData(flags, id, unhex(t, key)))
	}
	for name, object := range map[string][]byte{
		"one that is right":       built(0x41, id, key),
		"the longest id":          built(0x41, make([]byte, 1023), key),
		"extensions":              attestation(append(authenticatorData(0xc1, id, good), 0xa1, 0x61, 'x', 0xf5)),
		"a label that is unknown": built(0x41, id, "a6010203260482010220"+"01"+keyX+keyY),
	} {
		if err := try(object); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	other := built(0x41, id, key)
	copy(other[bytes.Index(other, good)-16-2-16-5-32:], make([]byte, 32))
	for name, wrong := range map[string]struct {
		object []byte
		why    string
	}{
		"nothing":                   {nil, "CBOR"},
		"a list":                    {[]byte{0x80}, "attestation object: malformed"},
		"an empty map":              {[]byte{0xa0}, "attestation object: malformed"},
		"bytes behind":              {append(built(0x41, id, key), 0), "attestation object: malformed"},
		"authData twice":            {[]byte("\xa2\x68authData\x41a\x68authData\x41a"), "CBOR"},
		"authData as text":          {[]byte("\xa1\x68authData\x61a"), "attestation object: malformed"},
		"a number as name":          {[]byte("\xa1\x01\x41a"), "attestation object: malformed"},
		"an indefinite map":         {append([]byte{0xbf}, built(0x41, id, key)[1:]...), "malformed"},
		"a nesting bomb":            {slices.Concat([]byte("\xa1\x61x"), bytes.Repeat([]byte{0x81}, 10_000)), "nested"},
		"a bomb of maps":            {slices.Concat([]byte("\xa1\x61x"), bytes.Repeat([]byte("\xa1\x01"), 10_000)), "nested"},
		"a length bomb":             {[]byte("\xa1\x68authData\x5b\x7f\xff\xff\xff\xff\xff\xff\xff"), "malformed"},
		"a map that claims 2^64-1":  {[]byte("\xbb\xff\xff\xff\xff\xff\xff\xff\xff"), "malformed"},
		"a list that claims 2^32-1": {[]byte("\xa1\x61x\x9a\xff\xff\xff\xff"), "malformed"},
		"a tag":                     {[]byte("\xa1\x61x\xc0\x00"), "malformed"},
		"a float":                   {[]byte("\xa1\x61x\xfb\x00\x00\x00\x00\x00\x00\x00\x00"), "malformed"},
		"another domain":            {other, "another domain"},
		"nobody there":              {built(0x40, id, key), "nobody was there"},
		"backed up, not eligible":   {built(0x51, id, key), "backed up"},
		"no credential":             {attestation(authenticatorData(0x01, nil, nil)[:37]), "no credential"},
		"no id":                     {built(0x41, nil, key), "malformed"},
		"an id of 1,024 bytes":      {built(0x41, make([]byte, 1024), key), "malformed"},
		"an id that is cut off":     {attestation(authenticatorData(0x41, id, nil)[:60]), "malformed"},
		"no key":                    {built(0x41, id, ""), "CBOR"},
		"a key of no map":           {built(0x41, id, "01"), "public key: malformed"},
		"bytes behind the key":      {built(0x41, id, key+"00"), "malformed"},
		"extensions of no map":      {attestation(append(authenticatorData(0xc1, id, good), 0x01)), "malformed"},
		"extensions that are not":   {attestation(authenticatorData(0xc1, id, good)), "malformed"},
		"a point off the curve":     {built(0x41, id, "a5010203262001"+keyX+keyX[:1]+"2"+keyX[2:]), ""},
		"a compressed point":        {built(0x41, id, "a5010203262001"+keyX+"22f5"), "public key: malformed"},
		"a coordinate of 31 bytes":  {built(0x41, id, "a5010203262001"+"21581f"+keyX[8:]+keyY), "public key: malformed"},
		"a label twice":             {built(0x41, id, "a6010203262001"+keyX+keyY+"0102"), "CBOR"},
		"another curve":             {built(0x41, id, "a5010203262002"+keyX+keyY), "public key: malformed"},
		"another type":              {built(0x41, id, "a5010303262001"+keyX+keyY), "public key: malformed"},
		"an algorithm for a type":   {built(0x41, id, "a5010203272001"+keyX+keyY), "public key: malformed"},
		"an algorithm not offered":  {built(0x41, id, "a501020338222001"+keyX+keyY), "not offered"},
		"no algorithm":              {built(0x41, id, "a401022001"+keyX+keyY), "not offered"},
		"a small RSA key":           {built(0x41, id, "a401030339010020590080"+strings.Repeat("ff", 128)+"2143010001"), "public key: malformed"},
		"a huge RSA key":            {built(0x41, id, "a401030339010020590400"+strings.Repeat("ff", 1024)+"2143010001"), "public key: malformed"},
		"a label of 1,024 bytes":    {built(0x41, id, "a6010203262001"+keyX+keyY+"04590400"+strings.Repeat("00", 1024)), "public key: malformed"},
		"an even exponent":          {built(0x41, id, "a401030339010020590100"+strings.Repeat("ff", 256)+"2143010000"), "public key: malformed"},
	} {
		err := try(wrong.object)
		if err == nil || !strings.Contains(err.Error(), wrong.why) {
			t.Errorf("%s: %v, want one about %q", name, err, wrong.why)
		}
	}
	// Cut off anywhere, none is taken.
	whole := built(0x41, id, key)
	for n := range whole {
		if try(whole[:n]) == nil {
			t.Errorf("the first %d of %d bytes are taken", n, len(whole))
		}
	}
}

// A creation that came along with a sign-in needs nobody to be there; a
// sign-in does.
func TestRegister_OnlyAnUnnoticedOneMayBeWithoutAnybody(t *testing.T) {
	t.Parallel()
	v := vectorNamed(t, "none-es256")
	c := ceremony(v.Registration.Challenge)
	object := attestation(authenticatorData(0x40, []byte("an id of sixteen"), unhex(t, key)))
	if _, err := c.Register(v.Registration.ClientData, object); err == nil {
		t.Error("taken with nobody there")
	}
	c.Unnoticed = true
	if _, err := c.Register(v.Registration.ClientData, object); err != nil {
		t.Errorf("unnoticed: %v", err)
	}
}

func TestAssert_EachBitCounts(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"none-es256", "packed-eddsa", "packed-rs256"} {
		v := vectorNamed(t, name)
		credential, err := v.register(ceremony(nil))
		if err != nil {
			t.Fatal(err)
		}
		parts := map[string][]byte{"client data": v.Authentication.ClientData, "authenticator data": v.Authentication.AuthenticatorData, "signature": v.Authentication.Signature}
		for part, b := range parts {
			for i := range b {
				b[i] ^= 1
				if _, err := v.assert(ceremony(nil), credential.PublicKey); err == nil {
					t.Errorf("%s: taken with another byte %d of the %s", name, i, part)
				}
				b[i] ^= 1
			}
		}
		if _, err := v.assert(ceremony(nil), credential.PublicKey); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAssert_AnotherKeyAndARegistrationAreRefused(t *testing.T) {
	t.Parallel()
	v, w := vectorNamed(t, "none-es256"), vectorNamed(t, "packed-self-es256")
	other, err := w.register(ceremony(nil))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.assert(ceremony(nil), other.PublicKey); err == nil || !strings.Contains(err.Error(), "signature") {
		t.Errorf("another's key: %v", err)
	}
	elsewhere := ceremony(nil)
	elsewhere.Domain = "example.com"
	if _, err := v.assert(elsewhere, unhex(t, key)); err == nil || !strings.Contains(err.Error(), "another domain") {
		t.Errorf("another domain: %v", err)
	}
	c := ceremony(v.Registration.Challenge)
	if _, err := c.Assert(unhex(t, key), v.Registration.ClientData, v.Authentication.AuthenticatorData, v.Authentication.Signature); err == nil || !strings.Contains(err.Error(), "another ceremony") {
		t.Errorf("a registration as sign-in: %v", err)
	}
	for _, kept := range []string{"", "a0", "00", key + "00"} {
		if _, err := v.assert(ceremony(nil), unhex(t, kept)); err == nil || !strings.Contains(err.Error(), "the key that is kept") {
			t.Errorf("the key %q: %v", kept, err)
		}
	}
}

func TestChallenge_IsReadStrictly(t *testing.T) {
	t.Parallel()
	v := vectorNamed(t, "none-es256")
	got, err := webauthn.Challenge(v.Authentication.ClientData)
	if err != nil || !bytes.Equal(got, v.Authentication.Challenge) {
		t.Errorf("%x, %v", got, err)
	}
	for _, challenge := range []string{"", "a", "YQ==", "YR", "Y Q", "+/+/"} {
		text := fmt.Appendf(nil, `{"type":"webauthn.get","challenge":%q,"origin":"https://example.org"}`, challenge)
		if got, err := webauthn.Challenge(text); err == nil {
			t.Errorf("%q is %x", challenge, got)
		}
	}
}
