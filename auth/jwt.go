package auth

import (
	"bytes"
	"crypto/hmac"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"homebase/audit"

	"github.com/google/uuid"
)

const (
	accessLifetime = 10 * time.Minute
	// accessLongest refuses a token made to live longer, whoever signed it.
	accessLongest = 15 * time.Minute
	// clockLeeway is how far the clocks of two workers may be apart.
	clockLeeway = 30 * time.Second
	// tokenLongest bounds the work that an unauthenticated token can cause.
	tokenLongest = 4096
)

// claims are what an access token says: who, never what they may do.
type claims struct {
	Issuer   string    `json:"iss"`
	Audience string    `json:"aud"`
	Subject  uuid.UUID `json:"sub"` // of the user
	Session  uuid.UUID `json:"sid"`
	IssuedAt int64     `json:"iat"` // seconds since 1970
	Expires  int64     `json:"exp"`
	// Counter is the session's refresh counter when the token was issued:
	// seeing it shows that the client received that answer.
	Counter int64 `json:"rtc"`
}

// signingKey signs and verifies access tokens under one derived key. header is
// the whole encoded header of its tokens: comparing it byte by byte leaves
// nothing of an unauthenticated header to be interpreted, neither alg nor typ
// nor kid (RFC 8725, sections 3.1 and 3.11).
type signingKey struct {
	key    []byte
	header string
}

func newSigningKey(key []byte) signingKey {
	header := fmt.Sprintf(`{"alg":"HS256","kid":"%s","typ":"at+jwt"}`, audit.KeyID(key))
	return signingKey{key: key, header: base64.RawURLEncoding.EncodeToString([]byte(header))}
}

// hs256 is the signature part of a JWS under HS256 (RFC 7515, appendix A.1).
func hs256(key []byte, signingInput string) string {
	return base64.RawURLEncoding.EncodeToString(MAC(key, []byte(signingInput)))
}

func (k signingKey) sign(c claims) string {
	payload, err := json.Marshal(c)
	if err != nil {
		panic(err) // strings and integers always marshal
	}
	input := k.header + "." + base64.RawURLEncoding.EncodeToString(payload)
	return input + "." + hs256(k.key, input)
}

// verify returns the claims of an access token that this server has signed
// and that is valid at now, or an error and no claims. The signature is
// compared in its encoded form, so there is no second spelling of a token:
// padding, white space and stray trailing bits are a wrong signature.
func (tk *tokens) verify(token string, now time.Time) (claims, error) {
	if len(token) > tokenLongest || strings.Count(token, ".") != 2 {
		return claims{}, errors.New("access token: not three parts of at most 4096 bytes")
	}
	header, rest, _ := strings.Cut(token, ".")
	payload, signature, _ := strings.Cut(rest, ".")
	for _, k := range tk.signing() {
		if header != k.header {
			continue
		}
		if !hmac.Equal([]byte(signature), []byte(hs256(k.key, header+"."+payload))) {
			return claims{}, errors.New("access token: wrong signature")
		}
		return readClaims(payload, tk.issuer, now)
	}
	return claims{}, errors.New("access token: not a header that we issue")
}

// readClaims checks the payload of a token whose signature was good.
func readClaims(payload, issuer string, now time.Time) (claims, error) {
	var c claims
	raw, err := base64.RawURLEncoding.Strict().DecodeString(payload)
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	switch {
	case err != nil || dec.Decode(&c) != nil,
		c.Issuer != issuer || c.Audience != issuer,
		c.IssuedAt <= 0 || c.Expires <= c.IssuedAt || c.Expires-c.IssuedAt > int64(accessLongest/time.Second):
		return claims{}, errors.New("access token: wrong claims")
	case !c.validAt(now):
		return claims{}, errors.New("access token: expired, or from the future")
	}
	return c, nil
}

// validAt is all of a token's judgement that time can change.
func (c claims) validAt(now time.Time) bool {
	return !now.After(time.Unix(c.Expires, 0).Add(clockLeeway)) && !now.Before(time.Unix(c.IssuedAt, 0).Add(-clockLeeway))
}

// accessToken issues a token for a session whose refresh counter is counter.
func (tk *tokens) accessToken(user, session uuid.UUID, counter int64) string {
	now := time.Now().Unix()
	return tk.signing()[0].sign(claims{
		Issuer: tk.issuer, Audience: tk.issuer,
		Subject: user, Session: session,
		IssuedAt: now, Expires: now + int64(accessLifetime/time.Second), Counter: counter,
	})
}
