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
	errType        = errors.New("client data: of another ceremony")
	errChallenge   = errors.New("client data: another challenge")
	errOrigin      = errors.New("client data: the origin is not one of this server's")
	errCrossOrigin = errors.New("client data: asked for inside of another site's page")
	errAuthData    = errors.New("authenticator data: malformed")
	errDomain      = errors.New("authenticator data: for another domain")
	errPresence    = errors.New("authenticator data: nobody was there")
	errUnverified  = errors.New("authenticator data: the user was not verified")
	errBackup      = errors.New("authenticator data: backed up without being eligible for it")
	errCredential  = errors.New("authenticator data: no credential")
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
	if err := c.checkClientData("webauthn.create", clientData); err != nil {
		return Credential{}, err
	}
	raw, err := authDataOf(attestationObject)
	if err != nil {
		return Credential{}, err
	}
	d, err := parseAuthData(raw)
	if err != nil {
		return Credential{}, err
	}
	if err := c.checkAuthData(d); err != nil {
		return Credential{}, err
	}
	if d.id == nil {
		return Credential{}, errCredential
	}
	if _, err := parseKey(d.publicKey); err != nil {
		return Credential{}, err
	}
	return Credential{Authenticator: d.authenticator(), ID: bytes.Clone(d.id), PublicKey: bytes.Clone(d.publicKey)}, nil
}

// Assert verifies that the key of a credential has signed the answer.
func (c Ceremony) Assert(publicKey, clientData, authData, signature []byte) (Authenticator, error) {
	if err := c.checkClientData("webauthn.get", clientData); err != nil {
		return Authenticator{}, err
	}
	d, err := parseAuthData(authData)
	if err != nil {
		return Authenticator{}, err
	}
	if err := c.checkAuthData(d); err != nil {
		return Authenticator{}, err
	}
	digest := sha256.Sum256(clientData)
	if err := verify(publicKey, slices.Concat(authData, digest[:]), signature); err != nil {
		return Authenticator{}, err
	}
	return d.authenticator(), nil
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
		return errType
	case subtle.ConstantTimeCompare([]byte(d.challenge), []byte(challenge)) == 0:
		return errChallenge
	case !slices.Contains(c.Origins, d.origin):
		return errOrigin
	case d.crossOrigin:
		return errCrossOrigin
	}
	return nil
}

// authData is authenticator data (section 6.1), taken apart.
type authData struct {
	domain    []byte // the SHA-256 of the RP ID
	flags     byte
	counter   uint32
	id        []byte // nil: no credential
	publicKey []byte
}

// parseAuthData takes authenticator data apart, which are all of b.
func parseAuthData(b []byte) (d authData, err error) {
	const fixed = sha256.Size + 1 + 4
	if len(b) < fixed {
		return d, errAuthData
	}
	d.domain, d.flags, d.counter = b[:sha256.Size], b[sha256.Size], binary.BigEndian.Uint32(b[sha256.Size+1:])
	b = b[fixed:]
	if d.flags&flagCredential != 0 {
		if b, err = d.credential(b); err != nil {
			return d, err
		}
	}
	if d.flags&flagExtensions != 0 {
		c := cbor{b}
		if len(b) == 0 || b[0]>>5 != cborMap {
			return d, errAuthData
		}
		if err := c.skip(); err != nil {
			return d, err
		}
		b = c.rest
	}
	if len(b) > 0 {
		return d, errAuthData
	}
	return d, nil
}

// credential reads attested credential data (section 6.5.1) and returns what
// follows.
func (d *authData) credential(b []byte) ([]byte, error) {
	const fixed = 16 + 2 // the model of the authenticator, the length of the id
	if len(b) < fixed {
		return nil, errAuthData
	}
	length := int(binary.BigEndian.Uint16(b[16:]))
	b = b[fixed:]
	if length == 0 || length > idLongest || length > len(b) {
		return nil, errAuthData
	}
	d.id, b = b[:length:length], b[length:]
	c := cbor{b}
	if err := c.skip(); err != nil {
		return nil, err
	}
	d.publicKey = b[:len(b)-len(c.rest)]
	return c.rest, nil
}

func (c Ceremony) checkAuthData(d authData) error {
	domain := sha256.Sum256([]byte(c.Domain))
	switch {
	case !bytes.Equal(d.domain, domain[:]):
		return errDomain
	case d.flags&flagPresent == 0 && !c.Unnoticed:
		return errPresence
	case d.flags&flagVerified == 0 && c.Verified:
		return errUnverified
	case d.flags&flagBackedUp != 0 && d.flags&flagBackupEligible == 0:
		return errBackup
	}
	return nil
}

func (d authData) authenticator() Authenticator {
	return Authenticator{
		Counter:  d.counter,
		Verified: d.flags&flagVerified != 0, BackupEligible: d.flags&flagBackupEligible != 0, BackedUp: d.flags&flagBackedUp != 0,
	}
}

// authDataOf finds the authenticator data in an attestation object, which is
// all of b. The attestation itself is only passed over.
func authDataOf(b []byte) (found []byte, err error) {
	c := cbor{b}
	count, err := c.expect(cborMap)
	if err != nil {
		return nil, err
	}
	for range count {
		name, err := c.bytes(cborText)
		if err != nil {
			return nil, err
		}
		if string(name) != "authData" {
			err = c.skip()
		} else if found != nil {
			err = errAttestation
		} else {
			found, err = c.bytes(cborBytes)
		}
		if err != nil {
			return nil, err
		}
	}
	if found == nil || len(c.rest) > 0 {
		return nil, errAttestation
	}
	return found, nil
}
