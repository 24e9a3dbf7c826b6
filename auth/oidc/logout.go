package oidc

import (
	"encoding/json"
	"errors"
	"net/http"

	"homebase/db"
	"homebase/httpx"
)

func (p *Provider) logoutRoutes() []httpx.Route {
	return both("/auth/oidc/logout", httpx.Route{Access: httpx.Public(), Rate: httpx.RateWrite, Lenient: true, Body: 16 << 10,
		Form:      []string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state", "logout_hint", "ui_locales"},
		Summary:   "Where a program sends a browser to sign out; the account page asks",
		Responses: []httpx.Response{{Status: http.StatusSeeOther, Headers: []string{"Location"}}},
		Problems:  httpx.Problems{errOff, errUnknownClient, errRedirect}, Handler: p.logout})
}

// logout serves GET and POST /auth/oidc/logout (RP-Initiated Logout 1.0). It
// ends nothing: any page can send a browser here. The account page asks, signs
// out by POST /auth/logout, and gets from the kept request where to go back to.
func (p *Provider) logout(w http.ResponseWriter, r *http.Request) error {
	if err := p.on(); err != nil {
		return err
	}
	values, err := parametersOf(r)
	if err != nil {
		return err
	}
	page, q := p.accountURL+"#action=logout", oauthRequest{logout: true, redirectURI: only(values, "post_logout_redirect_uri"), state: only(values, "state")}
	if q.redirectURI == "" {
		return seeOther(w, page)
	}
	q.client, err = p.clientByText(r.Context(), p.clientOf(r, only(values, "client_id"), only(values, "id_token_hint")))
	switch {
	case errors.Is(err, db.ErrNotFound):
		return errUnknownClient
	case err != nil:
		return err
	case !registered(q.client.PostLogoutRedirectURIs, q.redirectURI) || len(q.state) > stateLongest:
		return errRedirect
	}
	if err := p.keep(r.Context(), &q); err != nil {
		return err
	}
	return seeOther(w, page+"&request="+q.id.String())
}

// clientOf is the client that is named, or that the ID token was made for.
func (p *Provider) clientOf(r *http.Request, named, hint string) string {
	if named != "" {
		return named
	}
	var token struct {
		Audience string `json:"aud"`
	}
	if payload, err := p.signing.verified(r.Context(), hint); err == nil {
		_ = json.Unmarshal(payload, &token) // we wrote it; what cannot be read names nobody
	}
	return token.Audience
}
