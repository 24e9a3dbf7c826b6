// Package webauthn verifies what browsers send for passkeys: registrations and
// assertions of Web Authentication Level 3, sections 7.1 and 7.2. It knows
// nothing of users, tables or requests.
//
// Attestation is not looked at: who made an authenticator decides nothing here.
// So the public key counts for what it says by itself, and is taken from the
// attestation object alone. Whatever is wrong is an error for the log; whoever
// sent it shall learn no more than that it was wrong.
package webauthn

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
)

// The flags of authenticator data (section 6.1).
const (
	flagPresent        = 0x01 // the user was there
	flagVerified       = 0x04 // and was recognised, by a finger, a face or a PIN
	flagBackupEligible = 0x08 // the key may be on several devices
	flagBackedUp       = 0x10 // and is
	flagCredential     = 0x40 // a new credential follows
	flagExtensions     = 0x80 // extensions follow
)

// idLongest is the length in bytes up to which credential ids go.
const idLongest = 1023

var (
	errClientData  = errors.New("client data: malformed")
	errAuthData    = errors.New("authenticator data: malformed")
	errAttestation = errors.New("attestation object: malformed")
)

// Ceremony is what an answer of a browser is held against.
type Ceremony struct {
	Domain    string   // the RP ID: "example.com"
	Origins   []string // whose pages may ask, exactly as browsers write them
	Challenge []byte
	Verified  bool // the authenticator must have recognised the user
	Unnoticed bool // a creation that came along with a sign-in, for which nobody had to be there
}

// Authenticator is what an authenticator has said of itself.
type Authenticator struct {
	Counter        uint32 // of its signatures; 0: it does not count
	Verified       bool
	BackupEligible bool
	BackedUp       bool
}

// Credential is a new key.
type Credential struct {
	Authenticator
	ID        []byte
	PublicKey []byte // as COSE key, for Assert
}

// Challenge returns the challenge that client data say they answer, by which
// the one that was given out is found. It proves nothing.
func Challenge(clientData []byte) ([]byte, error) {
	d, err := parseClientData(clientData)
	if err != nil {
		return nil, err
	}
	challenge, err := base64.RawURLEncoding.Strict().DecodeString(d.challenge)
	if err != nil || len(challenge) == 0 {
		return nil, errClientData
	}
	return challenge, nil
}

// Register verifies the answer to a creation.
func (c Ceremony) Register(clientData, attestationObject []byte) (Credential, error) {
	raw, err := authDataOf(attestationObject)
	if err != nil {
		return Credential{}, err
	}
	d, err := c.check("webauthn.create", clientData, raw)
	if err == nil && d.ID == nil {
		err = errors.New("authenticator data: no credential")
	}
	if err != nil {
		return Credential{}, err
	}
	_, err = parseKey(d.PublicKey)
	return d.Credential, err
}

// Assert verifies that the key of a credential has signed the answer.
func (c Ceremony) Assert(publicKey, clientData, authData, signature []byte) (Authenticator, error) {
	d, err := c.check("webauthn.get", clientData, authData)
	if err != nil {
		return Authenticator{}, err
	}
	digest := sha256.Sum256(clientData)
	return d.Authenticator, verify(publicKey, slices.Concat(authData, digest[:]), signature)
}

// check holds what the browser and the authenticator say against the ceremony.
func (c Ceremony) check(kind string, clientData, raw []byte) (authData, error) {
	if err := c.checkClientData(kind, clientData); err != nil {
		return authData{}, err
	}
	d, err := parseAuthData(raw)
	if err != nil {
		return authData{}, err
	}
	domain := sha256.Sum256([]byte(c.Domain))
	switch {
	case !bytes.Equal(d.domain, domain[:]):
		err = errors.New("authenticator data: for another domain")
	case !d.present && !c.Unnoticed:
		err = errors.New("authenticator data: nobody was there")
	case !d.Verified && c.Verified:
		err = errors.New("authenticator data: the user was not verified")
	case d.BackedUp && !d.BackupEligible:
		err = errors.New("authenticator data: backed up without being eligible for it")
	}
	return d, err
}

// clientData is what the browser says of its page.
type clientData struct {
	kind, challenge, origin string
	crossOrigin             bool
}

// parseClientData reads the members that matter by their exact names. Others
// may come and go.
func parseClientData(text []byte) (d clientData, err error) {
	var members map[string]any
	if json.Unmarshal(text, &members) != nil || members == nil {
		return d, errClientData
	}
	known := true
	for name, member := range map[string]*string{"type": &d.kind, "challenge": &d.challenge, "origin": &d.origin} {
		var is bool
		*member, is = members[name].(string)
		known = known && is
	}
	// A page inside of another's has both members, or else neither.
	cross, given := members["crossOrigin"]
	_, top := members["topOrigin"]
	d.crossOrigin = given && cross != false || top
	if !known {
		err = errClientData
	}
	return d, err
}

func (c Ceremony) checkClientData(kind string, text []byte) error {
	d, err := parseClientData(text)
	if err != nil {
		return err
	}
	challenge := base64.RawURLEncoding.EncodeToString(c.Challenge)
	switch {
	case d.kind != kind:
		return errors.New("client data: of another ceremony")
	case subtle.ConstantTimeCompare([]byte(d.challenge), []byte(challenge)) == 0:
		return errors.New("client data: another challenge")
	case !slices.Contains(c.Origins, d.origin):
		return errors.New("client data: the origin is not one of this server's")
	case d.crossOrigin:
		return errors.New("client data: asked for inside of another site's page")
	}
	return nil
}

// authData is authenticator data (section 6.1), taken apart.
type authData struct {
	Credential        // its ID is nil where there is none
	domain     []byte // the SHA-256 of the RP ID
	present    bool   // the user was there
}

// parseAuthData takes authenticator data apart, which are all of b.
func parseAuthData(b []byte) (d authData, err error) {
	const fixed = sha256.Size + 1 + 4
	if len(b) < fixed {
		return d, errAuthData
	}
	flags := b[sha256.Size]
	d.domain, d.present, d.Counter = b[:sha256.Size], flags&flagPresent != 0, binary.BigEndian.Uint32(b[sha256.Size+1:])
	d.Verified, d.BackupEligible, d.BackedUp = flags&flagVerified != 0, flags&flagBackupEligible != 0, flags&flagBackedUp != 0
	b = b[fixed:]
	if flags&flagCredential != 0 {
		if b, err = d.attested(b); err != nil {
			return d, err
		}
	}
	if flags&flagExtensions != 0 {
		c := cbor{b}
		if len(b) == 0 || b[0]>>5 != cborMap {
			return d, errAuthData
		}
		_, err = c.item()
		b = c.rest
	}
	if err == nil && len(b) > 0 {
		err = errAuthData
	}
	return d, err
}

// attested reads attested credential data (section 6.5.1) and returns what
// follows.
func (d *authData) attested(b []byte) ([]byte, error) {
	const fixed = 16 + 2 // the model of the authenticator, the length of the id
	if len(b) < fixed {
		return nil, errAuthData
	}
	length := int(binary.BigEndian.Uint16(b[16:]))
	b = b[fixed:]
	if length == 0 || length > idLongest || length > len(b) {
		return nil, errAuthData
	}
	d.ID, b = b[:length:length], b[length:]
	c := cbor{b}
	_, err := c.item()
	d.PublicKey = b[:len(b)-len(c.rest)]
	return c.rest, err
}

// authDataOf finds the authenticator data in an attestation object, which is
// all of b. The attestation itself is only passed over.
func authDataOf(b []byte) ([]byte, error) {
	c := cbor{b}
	item, err := c.item()
	object, _ := item.(map[any]any)
	found, ok := object["authData"].([]byte)
	if err == nil && (!ok || len(c.rest) > 0) {
		err = errAttestation
	}
	return found, err
}
