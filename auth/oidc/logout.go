package oidc

import (
	"context"
	"net/url"

	"homebase/auth"
	"homebase/httpx"
)

func (p *Provider) logoutRoutes() []httpx.Route {
	return p.sends("/auth/oidc/logout", "Where a program sends a browser to sign out; the account page asks",
		[]string{"id_token_hint", "client_id", "post_logout_redirect_uri", "state", "logout_hint", "ui_locales"}, p.logout)
}

// logout serves GET and POST /auth/oidc/logout (RP-Initiated Logout 1.0). It
// ends nothing: any page can send a browser here. The account page asks, signs
// out by POST /auth/logout, and gets from the kept request where to go back to.
func (p *Provider) logout(ctx context.Context, values url.Values) (location string, err error) {
	page, q := p.cfg.AccountURL+"#action=logout", oauthRequest{logout: true, redirectURI: only(values, "post_logout_redirect_uri"), state: only(values, "state")}
	if q.redirectURI == "" {
		return page, nil
	}
	q.client, err = p.clientByText(ctx, p.clientOf(ctx, only(values, "client_id"), only(values, "id_token_hint")))
	if err != nil {
		return "", auth.NoRow(err, errUnknownClient)
	}
	if !registered(q.client.PostLogoutRedirectURIs, q.redirectURI) || len(q.state) > stateLongest {
		return "", errRedirect
	}
	err = p.keep(ctx, &q)
	return page + "&request=" + q.id.String(), err
}

// clientOf is the client that is named, or that the ID token was made for.
func (p *Provider) clientOf(ctx context.Context, named, hint string) string {
	if named != "" {
		return named
	}
	token, _ := p.signing.verified(ctx, hint) // another one names nobody
	return token.Audience
}
