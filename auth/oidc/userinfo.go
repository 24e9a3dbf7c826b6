package oidc

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"time"

	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
)

// UserInfo are the claims about a person that their scopes name. They are the
// same in ID tokens.
type UserInfo struct {
	Subject           uuid.UUID `json:"sub"`
	Name              string    `json:"name,omitempty"`               // profile
	PreferredUsername string    `json:"preferred_username,omitempty"` // profile: the address, of which there is one
	Email             string    `json:"email,omitempty"`              // email
	EmailVerified     *bool     `json:"email_verified,omitempty"`     // email
	Groups            []string  `json:"groups,omitempty"`             // groups: the roles
}

// IDToken are the claims of an ID token (OpenID Connect Core, section 2).
type IDToken struct {
	UserInfo
	Issuer          string `json:"iss"`
	Audience        string `json:"aud"`
	IssuedAt        int64  `json:"iat"`
	Expires         int64  `json:"exp"`
	AuthTime        int64  `json:"auth_time"`
	Nonce           string `json:"nonce,omitempty"`
	AccessTokenHash string `json:"at_hash"`
}

// claims are what the grant's scopes tell. An address is one that its owner has
// confirmed by mail, or that whoever manages users has given.
func (g grant) claims() UserInfo {
	info := UserInfo{Subject: g.user}
	if slices.Contains(g.scopes, scopeProfile) {
		info.Name, info.PreferredUsername = g.name, g.email
	}
	if slices.Contains(g.scopes, scopeEmail) {
		info.Email, info.EmailVerified = g.email, new(true)
	}
	if slices.Contains(g.scopes, scopeGroups) {
		info.Groups = g.roles
	}
	return info
}

var (
	errAccessToken = &httpx.Problem{Status: http.StatusUnauthorized, Code: "invalid_token", Title: "The access token is not valid",
		Detail: "It is missing, wrong or too old, or what it stands for has ended.",
		Header: map[string]string{"WWW-Authenticate": `Bearer realm="homebase", error="invalid_token"`}}
	errTokenTwice = httpx.NewProblem(http.StatusBadRequest, "token_twice", "The access token was sent twice").
			With("Send it in Authorization: Bearer, or in the body of a POST, once.")
)

func (p *Provider) userInfoRoutes() []httpx.Route {
	routes := both("/auth/oidc/userinfo", httpx.Route{Access: httpx.Public(), Rate: httpx.RateRead, Lenient: true, AnyOrigin: true,
		Form: []string{"access_token"}, Body: 4 << 10,
		Summary: "Who a program's access token speaks of", Responses: []httpx.Response{{Status: http.StatusOK, Body: UserInfo{}}},
		Problems: httpx.Problems{errAccessToken}, Handler: p.userInfo})
	routes[0].Query = nil // a token is in no address line
	routes[1].Problems = httpx.Problems{errTokenTwice}.And(routes[1].Problems...)
	return routes
}

// userInfo serves GET and POST /auth/oidc/userinfo. It asks the database each
// time: what ended a moment ago, on whichever worker, is over.
func (p *Provider) userInfo(w http.ResponseWriter, r *http.Request) error {
	token, err := sentToken(r)
	if err != nil {
		return err
	}
	id, expires, ok := p.openToken(accessPrefix, accessPurpose, token)
	if now := time.Now(); !ok || now.Unix() >= expires || now.Add(2*accessLifetime).Unix() < expires {
		return errAccessToken
	}
	g, err := livingByID(r.Context(), p.cfg.DB, id)
	if errors.Is(err, db.ErrNotFound) || err == nil && !g.redeemed {
		return errAccessToken
	}
	if err != nil {
		return err
	}
	return httpx.WriteJSON(w, http.StatusOK, g.claims())
}

// sentToken finds the access token in the header or in a form (RFC 6750,
// sections 2.1 and 2.2), never in the address line.
func sentToken(r *http.Request) (string, error) {
	header, inHeader := httpx.Bearer(r)
	if r.Method != http.MethodPost {
		return header, nil
	}
	form, err := httpx.ReadForm(r)
	if err != nil {
		return "", err
	}
	list := form["access_token"]
	if len(list) > 1 || len(list) == 1 && inHeader {
		return "", errTokenTwice
	}
	return cmp.Or(only(form, "access_token"), header), nil
}
