package auth_test

import (
	"bytes"
	"testing"

	"homebase/auth"
	"homebase/auth/authtest"
)

// secrets gives derived keys as the platform would under each secret.
func secrets(names ...string) func(string) [][]byte {
	return func(purpose string) (keys [][]byte) {
		for _, name := range names {
			keys = append(keys, authtest.Keys(name + purpose)[0])
		}
		return keys
	}
}

func TestSeal_OpensOnlyAsItWasSealed(t *testing.T) {
	t.Parallel()
	s := auth.NewSealer(secrets("one"), "totp")
	plain := []byte("a secret to be kept")
	sealed := s.Seal(plain, "ada")
	if got, err := s.Open(sealed, "ada"); err != nil || !bytes.Equal(got, plain) {
		t.Fatalf("%q, %v", got, err)
	}
	if bytes.Contains(sealed, plain) || bytes.Equal(sealed, s.Seal(plain, "ada")) {
		t.Error("the plain text shows, or equal values look equal")
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := s.Open(changed, "ada"); err == nil {
			t.Errorf("opens with byte %d changed", i)
		}
		if _, err := s.Open(sealed[:i], "ada"); err == nil {
			t.Errorf("opens when cut to %d bytes", i)
		}
	}
	if _, err := s.Open(sealed, "eve"); err == nil {
		t.Error("opens for another owner")
	}
	if _, err := auth.NewSealer(secrets("one"), "mail").Open(sealed, "ada"); err == nil {
		t.Error("opens for another purpose")
	}
	if got, err := s.Open(s.Seal(nil, ""), ""); err != nil || len(got) != 0 {
		t.Errorf("nothing, sealed and opened, is %q, %v", got, err)
	}
}

func TestSeal_OldSecretOpensUntilItGoes(t *testing.T) {
	t.Parallel()
	before := auth.NewSealer(secrets("old"), "totp")
	between := auth.NewSealer(secrets("new", "old"), "totp")
	after := auth.NewSealer(secrets("new"), "totp")
	sealed := before.Seal([]byte("x"), "ada")
	if _, err := between.Open(sealed, "ada"); err != nil {
		t.Error("rotating the secret locks what was sealed")
	}
	if _, err := after.Open(sealed, "ada"); err == nil {
		t.Error("opens under a secret that it was not sealed under")
	}
	anew := between.Seal([]byte("x"), "ada")
	if _, err := after.Open(anew, "ada"); err != nil {
		t.Error("what is sealed anew still needs the old secret")
	}
	if bytes.HasPrefix(sealed, between.Current()) || !bytes.HasPrefix(anew, between.Current()) {
		t.Error("the key id does not tell what must be sealed anew")
	}
}
