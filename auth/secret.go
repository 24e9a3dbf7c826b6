package auth

import (
	"context"
	"net/http"
)

// HashSecret hashes a secret that is no user's password, such as a share's,
// at the same cost and within the same bound. Which secrets are good enough
// is for the caller to say. ErrHashingBusy when too many are being hashed.
func (pw *passwords) HashSecret(ctx context.Context, secret string) (string, error) {
	permit, err := pw.hasher.enter()
	if err != nil {
		return "", err
	}
	defer permit.leave()
	return permit.hash(ctx, secret)
}

// MatchSecret compares a secret of many people with what HashSecret made. Wrong
// ones are counted, by kind and account for each network apart and for all
// together, and by the client's address like every guess, so beside
// ErrHashingBusy the error may be 429, for the right one too.
func (pw *passwords) MatchSecret(r *http.Request, kind, account, secret, hash string) (ok bool, err error) {
	permit, err := pw.hasher.enter()
	if err != nil {
		return false, err
	}
	defer permit.leave()
	guess, err := pw.guesses.countShared(r, kind, account)
	if err != nil {
		return false, err
	}
	if ok, _, err = permit.matches(r.Context(), secret, hash); err != nil || !ok {
		return false, err
	}
	return true, guess.right(r.Context(), pw.db)
}
