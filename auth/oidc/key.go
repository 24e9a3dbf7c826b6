package oidc

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"homebase/auth"
	"homebase/db"

	"github.com/jackc/pgx/v5"
)

const (
	keyBits   = 2048
	keyServes = 90 * 24 * time.Hour // how long a key signs
	keyAhead  = 24 * time.Hour      // how long it is shown before
	// keyRemains is how long it is shown after, longer than any session: a program
	// signs out with the ID token that it got when it signed in.
	keyRemains = 31 * 24 * time.Hour
	// keysChannel tells all workers that the keys have changed.
	keysChannel = "oidc_keys"
)

var base64url = base64.RawURLEncoding.Strict()

// PublicKey is a JSON Web Key (RFC 7517).
type PublicKey struct {
	Type      string `json:"kty"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	ID        string `json:"kid"`
	N         string `json:"n"`
	E         string `json:"e"`
}

// KeySet is a JWK Set.
type KeySet struct {
	Keys []PublicKey `json:"keys"`
}

// publicKeyOf is what is shown of a key. Its id is its thumbprint (RFC 7638,
// section 3).
func publicKeyOf(key *rsa.PublicKey) PublicKey {
	k := PublicKey{Type: "RSA", Use: "sig", Algorithm: "RS256",
		N: base64url.EncodeToString(key.N.Bytes()), E: base64url.EncodeToString(big.NewInt(int64(key.E)).Bytes())}
	k.ID = base64url.EncodeToString(auth.Digest(fmt.Sprintf(`{"e":"%s","kty":"RSA","n":"%s"}`, k.E, k.N)))
	return k
}

// rs256 signs header and payload as a JWS in compact form (RFC 7515, section
// 3.1, and RFC 7518, section 3.3).
func rs256(key *rsa.PrivateKey, header, payload []byte) (string, error) {
	input := base64url.EncodeToString(header) + "." + base64url.EncodeToString(payload)
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, auth.Digest(input))
	return input + "." + base64url.EncodeToString(signature), err
}

// signing owns the keys that sign ID tokens. They lie sealed in the database;
// each signs from its time on until the next one does. The first is made when
// it is needed.
type signing struct {
	db     *db.DB
	sealer auth.Sealer
	kept   *db.Kept[[]signingKey]
}

// signingKey is a key and since when it signs.
type signingKey struct {
	id      string
	sealed  []byte // as its row has it
	plain   []byte // the same, opened
	private *rsa.PrivateKey
	from    time.Time
}

func newSigning(d *db.DB, keys func(purpose string) [][]byte) *signing {
	s := &signing{db: d, sealer: auth.NewSealer(keys, "oidc keys")}
	s.kept = db.NewKept(d, keysChannel, s.read)
	return s
}

// read reads all keys in the order in which they sign.
func (s *signing) read(ctx context.Context) ([]signingKey, error) {
	keys, err := db.All(ctx, s.db, db.RowOf(func(k *signingKey) []any { return []any{&k.id, &k.sealed, &k.from} }), `
-- name: oidc.Keys
SELECT id, sealed, signs_from FROM oidc_keys ORDER BY signs_from`)
	for i := range keys {
		k := &keys[i]
		if k.plain, err = s.sealer.Open(k.sealed, k.id); err != nil {
			return nil, fmt.Errorf("signing key %s: %w", k.id, err)
		}
		private, err := x509.ParsePKCS8PrivateKey(k.plain)
		var ok bool
		if k.private, ok = private.(*rsa.PrivateKey); !ok {
			return nil, fmt.Errorf("signing key %s is no RSA key: %w", k.id, err)
		}
	}
	return keys, err
}

// published are the keys to show: those that sign, will sign, or have signed
// what may still be about. There is always one that signs.
func (s *signing) published(ctx context.Context) ([]signingKey, error) {
	keys, err := s.kept.Get(ctx)
	if err == nil && len(keys) == 0 {
		if err = s.add(ctx, time.Now(), 0); err == nil {
			keys, err = s.kept.Get(ctx)
		}
	}
	return keys, err
}

// current is the key that signs now.
func (s *signing) current(ctx context.Context) (signingKey, error) {
	keys, err := s.published(ctx)
	if err != nil {
		return signingKey{}, err
	}
	for _, k := range slices.Backward(keys[1:]) {
		if !k.from.After(time.Now()) {
			return k, nil
		}
	}
	return keys[0], nil // also where the clock was set back
}

// sign makes a JWT of claims under the key that signs now.
func (s *signing) sign(ctx context.Context, claims any) (string, error) {
	key, err := s.current(ctx)
	if err != nil {
		return "", err
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	return rs256(key.private, fmt.Appendf(nil, `{"alg":"RS256","kid":"%s","typ":"JWT"}`, key.id), payload)
}

var errNotOurs = errors.New("no ID token that a known key of ours has signed")

// verified reads an ID token that we have signed, however long ago: it is a
// hint, and no credential. The header is not read.
func (s *signing) verified(ctx context.Context, token string) (t IDToken, err error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return t, errNotOurs
	}
	signature, err := base64url.DecodeString(parts[2])
	payload, err2 := base64url.DecodeString(parts[1])
	if err != nil || err2 != nil {
		return t, errNotOurs
	}
	keys, err := s.published(ctx)
	if err != nil {
		return t, err
	}
	digest := auth.Digest(parts[0] + "." + parts[1])
	for _, k := range keys {
		if rsa.VerifyPKCS1v15(&k.private.PublicKey, crypto.SHA256, digest, signature) == nil {
			return t, json.Unmarshal(payload, &t)
		}
	}
	return t, errNotOurs
}

// add makes a key that signs from a time on, unless there are other than so
// many keys by then: workers that want one in the same moment make one.
func (s *signing) add(ctx context.Context, from time.Time, known int) error {
	private, err := rsa.GenerateKey(rand.Reader, keyBits)
	if err != nil {
		return err
	}
	plain, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	id := publicKeyOf(&private.PublicKey).ID
	defer s.kept.Forget()
	return s.db.InTx(ctx, func(tx pgx.Tx) error {
		if err := db.Exec(ctx, tx, `
-- name: oidc.LockKeys
LOCK TABLE oidc_keys IN SHARE ROW EXCLUSIVE MODE`); err != nil {
			return err
		}
		made, err := db.Affected(ctx, tx, `
-- name: oidc.InsertKey
INSERT INTO oidc_keys (id, sealed, signs_from)
SELECT $1, $2, $3 WHERE (SELECT count(*) FROM oidc_keys) = $4`, id, s.sealer.Seal(plain, id), from, known)
		if err != nil || made == 0 {
			return err
		}
		return db.Notify(ctx, tx, keysChannel, "")
	})
}

// tend drops keys of which nothing is about any more, because the next one has
// signed for longer than that, shows the next key a day before it signs, and seals anew what an older secret of the platform has
// sealed.
func (s *signing) tend(ctx context.Context) error {
	defer s.kept.Forget()
	err := s.db.InTx(ctx, func(tx pgx.Tx) error {
		dropped, err := db.Affected(ctx, tx, `
-- name: oidc.DropKeys
DELETE FROM oidc_keys k
 WHERE EXISTS (SELECT FROM oidc_keys n WHERE n.signs_from > k.signs_from AND n.signs_from < now() - $1::interval)`, keyRemains)
		if err != nil || dropped == 0 {
			return err
		}
		return db.Notify(ctx, tx, keysChannel, "")
	})
	if err != nil {
		return err
	}
	keys, err := s.read(ctx)
	if err != nil {
		return err
	}
	if n := len(keys); n > 0 && keys[n-1].from.Add(keyServes-keyAhead).Before(time.Now()) {
		if err := s.add(ctx, time.Now().Add(keyAhead), n); err != nil {
			return err
		}
	}
	for _, k := range keys {
		if bytes.HasPrefix(k.sealed, s.sealer.Current()) {
			continue
		}
		if err := db.Exec(ctx, s.db, `
-- name: oidc.ResealKey
UPDATE oidc_keys SET sealed = $3 WHERE id = $1 AND sealed = $2`, k.id, k.sealed, s.sealer.Seal(k.plain, k.id)); err != nil {
			return err
		}
	}
	return nil
}
