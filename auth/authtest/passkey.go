package authtest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"maps"
	"testing"

	"homebase/auth"
)

// The domain of the passkeys of all test workers, and a page that may ask for
// them.
const (
	PasskeyDomain = "example.com"
	PasskeyOrigin = "https://home.example.com"
)

// The flags of authenticator data.
const (
	UserPresent    = 0x01
	UserVerified   = 0x04
	BackupEligible = 0x08
	BackedUp       = 0x10
	credential     = 0x40
)

// Authenticator is an authenticator and its browser in software, with one key.
// It makes the bytes that real ones send; its fields say what of them.
type Authenticator struct {
	Key     crypto.Signer
	ID      []byte // of the credential
	Handle  []byte // of the user, from the options of the registration
	Flags   byte
	Counter uint32
	Domain  string
	// Client are the members of the client data that differ from those of an
	// honest browser at PasskeyOrigin; a nil one is left out.
	Client map[string]any
}

// NewAuthenticator makes one with a new key on P-256 that recognises its user
// and does not count.
func NewAuthenticator(t testing.TB) *Authenticator {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	a := &Authenticator{Key: key, ID: make([]byte, 32), Flags: UserPresent | UserVerified, Domain: PasskeyDomain}
	rand.Read(a.ID)
	return a
}

// Create answers the options of a registration with a
// RegistrationResponseJSON.
func (a *Authenticator) Create(t testing.TB, o auth.CreationOptions) map[string]any {
	t.Helper()
	handle, err := base64.RawURLEncoding.DecodeString(o.User.ID)
	if err != nil {
		t.Fatal(err)
	}
	a.Handle = handle
	data := a.data(credential)
	data = append(data, make([]byte, 16)...)
	data = binary.BigEndian.AppendUint16(data, uint16(len(a.ID)))
	data = append(append(data, a.ID...), a.coseKey(t)...)
	object := binary.BigEndian.AppendUint16([]byte("\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59"), uint16(len(data)))
	return a.answer(map[string]any{
		"clientDataJSON":    encode(a.clientData(t, "webauthn.create", o.Challenge)),
		"attestationObject": encode(append(object, data...)),
		"authenticatorData": encode(data), "publicKeyAlgorithm": -7, "transports": []string{"internal", "hybrid"},
	})
}

// Get answers the options of a sign-in with an AuthenticationResponseJSON.
func (a *Authenticator) Get(t testing.TB, o auth.RequestOptions) map[string]any {
	t.Helper()
	client, data := a.clientData(t, "webauthn.get", o.Challenge), a.data(0)
	digest := sha256.Sum256(client)
	response := map[string]any{
		"clientDataJSON": encode(client), "authenticatorData": encode(data), "signature": encode(a.sign(t, append(bytes.Clone(data), digest[:]...))),
	}
	if a.Handle != nil {
		response["userHandle"] = encode(a.Handle)
	}
	return a.answer(response)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func (a *Authenticator) answer(response map[string]any) map[string]any {
	return map[string]any{
		"id": encode(a.ID), "rawId": encode(a.ID), "type": "public-key", "authenticatorAttachment": "platform",
		"clientExtensionResults": map[string]any{"credProps": map[string]any{"rk": true}}, "response": response,
	}
}

func (a *Authenticator) clientData(t testing.TB, kind, challenge string) []byte {
	t.Helper()
	members := map[string]any{"type": kind, "challenge": challenge, "origin": PasskeyOrigin, "crossOrigin": false}
	maps.Copy(members, a.Client)
	maps.DeleteFunc(members, func(_ string, v any) bool { return v == nil })
	text, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// data are the authenticator data up to where a credential follows.
func (a *Authenticator) data(more byte) []byte {
	domain := sha256.Sum256([]byte(a.Domain))
	return binary.BigEndian.AppendUint32(append(domain[:], a.Flags|more), a.Counter)
}

func (a *Authenticator) coseKey(t testing.TB) []byte {
	t.Helper()
	switch key := a.Key.Public().(type) {
	case *ecdsa.PublicKey:
		point, err := key.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		return append(append([]byte("\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20"), point[1:33]...), append([]byte("\x22\x58\x20"), point[33:]...)...)
	case ed25519.PublicKey:
		return append([]byte("\xa4\x01\x01\x03\x27\x20\x06\x21\x58\x20"), key...)
	case *rsa.PublicKey:
		b := binary.BigEndian.AppendUint16([]byte("\xa4\x01\x03\x03\x39\x01\x00\x20\x59"), uint16(key.Size()))
		return append(append(b, key.N.Bytes()...), "\x21\x43\x01\x00\x01"...)
	}
	t.Fatalf("no COSE key for a %T", a.Key)
	return nil
}

func (a *Authenticator) sign(t testing.TB, message []byte) []byte {
	t.Helper()
	var hash crypto.Hash // Ed25519 signs the message itself
	if _, whole := a.Key.(ed25519.PrivateKey); !whole {
		digest := sha256.Sum256(message)
		hash, message = crypto.SHA256, digest[:]
	}
	signature, err := a.Key.Sign(rand.Reader, message, hash)
	if err != nil {
		t.Fatal(err)
	}
	return signature
}
