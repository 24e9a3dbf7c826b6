package webauthn_test

import (
	"bytes"
	"testing"

	"homebase/auth/webauthn"
)

func FuzzCBOR(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add([]byte(v.Registration.AttestationObject))
	}
	f.Add(bytes.Repeat([]byte{0x81}, 100))
	f.Add([]byte("\xbb\xff\xff\xff\xff\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, b []byte) {
		rest, err := webauthn.Pass(b)
		if err != nil {
			return
		}
		if len(rest) >= len(b) || !bytes.HasSuffix(b, rest) {
			t.Errorf("what follows %x is %x", b, rest)
		}
		// An item is the same whatever follows it, and none when it is cut off.
		item := b[:len(b)-len(rest)]
		if rest, err := webauthn.Pass(item); err != nil || len(rest) > 0 {
			t.Errorf("%x by itself: %x, %v", item, rest, err)
		}
		if _, err := webauthn.Pass(item[:len(item)-1]); err == nil {
			t.Errorf("%x is taken when it is cut off", item)
		}
	})
}

func FuzzKey(f *testing.F) {
	f.Add(unhex(f, key))
	f.Add(unhex(f, "a4010103272006215820"+keyX[6:]))
	f.Fuzz(func(t *testing.T, b []byte) {
		if webauthn.ParseKey(b) == nil && webauthn.ParseKey(append(bytes.Clone(b), 0)) == nil {
			t.Errorf("%x is taken with a byte behind it", b)
		}
	})
}

func FuzzAuthenticatorData(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add([]byte(v.Authentication.AuthenticatorData))
		if data, err := webauthn.AuthDataOf(v.Registration.AttestationObject); err == nil {
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if webauthn.ParseAuthData(b) == nil && webauthn.ParseAuthData(append(bytes.Clone(b), 0)) == nil {
			t.Errorf("%x is taken with a byte behind it", b)
		}
	})
}

func FuzzAttestationObject(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add([]byte(v.Registration.AttestationObject))
	}
	v := vectorNamed(f, "none-es256")
	c := ceremony(v.Registration.Challenge)
	f.Fuzz(func(t *testing.T, b []byte) {
		credential, err := c.Register(v.Registration.ClientData, b)
		if err == nil && (len(credential.ID) == 0 || len(credential.ID) > 1023 || webauthn.ParseKey(credential.PublicKey) != nil) {
			t.Errorf("%x gave %+v", b, credential)
		}
	})
}
