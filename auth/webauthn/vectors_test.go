package webauthn_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"homebase/auth/webauthn"
)

// hexBytes are bytes that JSON has as hexadecimal digits.
type hexBytes []byte

func (h *hexBytes) UnmarshalText(text []byte) (err error) {
	*h, err = hex.DecodeString(string(text))
	return err
}

// vector is an example of Web Authentication Level 3, section 16: one key, with
// its registration and a sign-in. All are of example.org.
type vector struct {
	Name         string
	CredentialID hexBytes `json:"credential_id"`
	Registration struct {
		Challenge         hexBytes
		ClientData        hexBytes `json:"client_data"`
		AttestationObject hexBytes `json:"attestation_object"`
	}
	Authentication struct {
		Challenge         hexBytes
		ClientData        hexBytes `json:"client_data"`
		AuthenticatorData hexBytes `json:"authenticator_data"`
		Signature         hexBytes
	}
}

func vectors(t testing.TB) (list []vector) {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	return list
}

func vectorNamed(t testing.TB, name string) vector {
	t.Helper()
	for _, v := range vectors(t) {
		if v.Name == name {
			return v
		}
	}
	t.Fatalf("there is no vector %s", name)
	return vector{}
}

func ceremony(challenge []byte) webauthn.Ceremony {
	return webauthn.Ceremony{Domain: "example.org", Origins: []string{"https://example.org"}, Challenge: challenge}
}

func (v vector) register(c webauthn.Ceremony) (webauthn.Credential, error) {
	c.Challenge = v.Registration.Challenge
	return c.Register(v.Registration.ClientData, v.Registration.AttestationObject)
}

func (v vector) assert(c webauthn.Ceremony, publicKey []byte) (webauthn.Authenticator, error) {
	c.Challenge = v.Authentication.Challenge
	return c.Assert(publicKey, v.Authentication.ClientData, v.Authentication.AuthenticatorData, v.Authentication.Signature)
}

// The attestation of all of them is ignored, whatever its form.
func TestVectors_OfTheSpecificationAreVerified(t *testing.T) {
	t.Parallel()
	refused := map[string]string{
		"none-es256-crossOrigin": "another site's page", "none-es256-topOrigin": "another site's page",
		"packed-es384": "not offered", "packed-es512": "not offered",
	}
	for _, v := range vectors(t) {
		credential, err := v.register(ceremony(nil))
		if why := refused[v.Name]; why != "" {
			if err == nil || !strings.Contains(err.Error(), why) {
				t.Errorf("%s: %v, want one about %q", v.Name, err, why)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: register: %v", v.Name, err)
			continue
		}
		if !bytes.Equal(credential.ID, v.CredentialID) {
			t.Errorf("%s: the id is %x", v.Name, credential.ID)
		}
		if _, err := v.assert(ceremony(nil), credential.PublicKey); err != nil {
			t.Errorf("%s: sign in: %v", v.Name, err)
		}
	}
}

// What was asked for inside of another site's page is refused, though its
// signature is right.
func TestVectors_AnotherSitesPageIsRefusedAtSignInToo(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"none-es256-crossOrigin", "none-es256-topOrigin"} {
		v := vectorNamed(t, name)
		d := v.Registration.AttestationObject
		key := d[bytes.Index(d, v.CredentialID)+len(v.CredentialID):]
		if _, err := v.assert(ceremony(nil), key); err == nil || !strings.Contains(err.Error(), "another site's page") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVectors_VerificationIsAskedForOrNot(t *testing.T) {
	t.Parallel()
	strict := ceremony(nil)
	strict.Verified = true
	unverified, verified := vectorNamed(t, "none-es256"), vectorNamed(t, "packed-self-es256")
	c, err := unverified.register(ceremony(nil))
	if err != nil || c.Verified {
		t.Errorf("none-es256: verified %v, %v", c.Verified, err)
	}
	if _, err := unverified.register(strict); err == nil || !strings.Contains(err.Error(), "not verified") {
		t.Errorf("none-es256 where verification is asked for: %v", err)
	}
	if c, err := verified.register(strict); err != nil || !c.Verified {
		t.Errorf("packed-self-es256 where verification is asked for: verified %v, %v", c.Verified, err)
	}
}
