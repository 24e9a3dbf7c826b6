package auth

import (
	"cmp"
	"encoding/json"

	"homebase/auth/webauthn"
)

// What goes to browsers and comes back has the JSON forms of Web
// Authentication Level 3, section 5.1, so that what others have written for
// browsers works untouched. Bytes are base64url. Of what comes back only the
// members that are read are listed here; others may be there.

// passkeyBody bounds a body with an answer of a browser. The certificates of
// an attestation, which nobody reads, take most of it.
const passkeyBody = 64 << 10

// CreationAnswer answers POST /auth/passkeys/registration.
type CreationAnswer struct {
	Options CreationOptions `json:"options"`
}

// CreationOptions are a PublicKeyCredentialCreationOptionsJSON.
type CreationOptions struct {
	RP struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"rp"`
	User struct {
		ID          string `json:"id"` // random bytes; no id of this API
		Name        string `json:"name"`
		DisplayName string `json:"displayName"`
	} `json:"user"`
	Challenge              string                 `json:"challenge"`
	PubKeyCredParams       []CredentialParameter  `json:"pubKeyCredParams"`
	Timeout                int64                  `json:"timeout"` // ms
	ExcludeCredentials     []CredentialDescriptor `json:"excludeCredentials"`
	AuthenticatorSelection struct {
		ResidentKey        string `json:"residentKey"`
		RequireResidentKey bool   `json:"requireResidentKey"`
		UserVerification   string `json:"userVerification"`
	} `json:"authenticatorSelection"`
	Attestation string `json:"attestation"`
}

// CredentialParameter is an algorithm that a key may have, by its COSE number.
type CredentialParameter struct {
	Type string `json:"type"`
	Alg  int    `json:"alg"`
}

// CredentialDescriptor names a key.
type CredentialDescriptor struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

const publicKey = "public-key"

func (pk *passkeys) creationOptions(u User, handle, challenge []byte, exclude [][]byte) (o CreationOptions) {
	o.RP.ID, o.RP.Name = pk.domain, pk.domain
	o.User.ID, o.User.Name, o.User.DisplayName = base64url.EncodeToString(handle), u.Email, cmp.Or(u.Name, u.Email)
	o.Challenge, o.Timeout = base64url.EncodeToString(challenge), challengeLifetime.Milliseconds()
	for _, algorithm := range webauthn.Algorithms {
		o.PubKeyCredParams = append(o.PubKeyCredParams, CredentialParameter{publicKey, int(algorithm)})
	}
	o.ExcludeCredentials = []CredentialDescriptor{}
	for _, id := range exclude {
		o.ExcludeCredentials = append(o.ExcludeCredentials, CredentialDescriptor{publicKey, base64url.EncodeToString(id)})
	}
	o.AuthenticatorSelection.ResidentKey, o.AuthenticatorSelection.RequireResidentKey = "required", true
	o.AuthenticatorSelection.UserVerification, o.Attestation = "preferred", "none"
	return o
}

// RequestAnswer answers POST /auth/passkeys/options.
type RequestAnswer struct {
	Options RequestOptions `json:"options"`
}

// RequestOptions are a PublicKeyCredentialRequestOptionsJSON.
type RequestOptions struct {
	Challenge        string `json:"challenge"`
	Timeout          int64  `json:"timeout"` // ms
	RPID             string `json:"rpId"`
	UserVerification string `json:"userVerification"`
}

// RegistrationResponse is a RegistrationResponseJSON. The public key that may
// stand beside the attestation object is not believed.
type RegistrationResponse struct {
	ID       string `json:"id"`
	Response struct {
		ClientDataJSON    string   `json:"clientDataJSON"`
		AttestationObject string   `json:"attestationObject"`
		Transports        []string `json:"transports,omitempty"`
	} `json:"response"`
}

// UnmarshalJSON passes over members that are not read.
func (r *RegistrationResponse) UnmarshalJSON(text []byte) error {
	type members RegistrationResponse
	return json.Unmarshal(text, (*members)(r))
}

// AuthenticationResponse is an AuthenticationResponseJSON.
type AuthenticationResponse struct {
	ID       string `json:"id"`
	Response struct {
		ClientDataJSON    string `json:"clientDataJSON"`
		AuthenticatorData string `json:"authenticatorData"`
		Signature         string `json:"signature"`
		UserHandle        string `json:"userHandle,omitempty"`
	} `json:"response"`
}

// UnmarshalJSON passes over members that are not read.
func (r *AuthenticationResponse) UnmarshalJSON(text []byte) error {
	type members AuthenticationResponse
	return json.Unmarshal(text, (*members)(r))
}
