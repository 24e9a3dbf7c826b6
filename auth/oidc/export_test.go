package oidc

import (
	"context"
	"crypto/rsa"
	"time"

	"github.com/google/uuid"
)

// The tests' door to what has no other: the vectors of the RFCs, and the
// comparison that 100,000 addresses are put to.

var (
	Thumbprint  = func(key *rsa.PublicKey) string { return publicKeyOf(key).ID }
	RS256       = rs256
	Proves      = proves
	Registered  = registered
	URIFault    = uriFault
	Credentials = credentials
)

// Now is the key that signs.
func (p *Provider) Now(ctx context.Context) (string, error) {
	k, err := p.signing.current(ctx)
	return k.id, err
}

// AccessToken is one that this worker has made for a grant, good until then.
func (p *Provider) AccessToken(grant uuid.UUID, until time.Time) string {
	return p.token(accessPrefix, accessPurpose, grant, until.Unix())
}

// ForgetKeys makes the next use read them anew.
func (p *Provider) ForgetKeys() { p.signing.kept.Forget() }
