package oidc

import "context"

// The tests' door to what has no other: the vectors of the RFCs, and the
// comparison that 100,000 addresses are put to.

var (
	Thumbprint  = thumbprint
	RS256       = rs256
	Proves      = proves
	Registered  = registered
	URIFault    = uriFault
	Credentials = credentials
)

// Now and Next move the keys: they say which signs, and make the next.
func (p *Provider) Now(ctx context.Context) (string, error) {
	k, err := p.signing.current(ctx)
	return k.id, err
}

// ForgetKeys makes the next use read them anew.
func (p *Provider) ForgetKeys() { p.signing.kept.Forget() }
