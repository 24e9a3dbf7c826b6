package auth

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/big"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// An access key is "hb_", 32 random bytes as 43 digits of base 62, and the
// CRC-32 of those digits as 6 more: scanners for leaked secrets recognise it
// by its form alone, and a mistyped one costs no query.
const (
	keyPrefix   = "hb_"
	keyDigits   = 43
	keyLength   = len(keyPrefix) + keyDigits + 6
	keyHint     = 8 // characters of a key that are kept to recognise it
	keyLifetime = 90 * 24 * time.Hour
	keyLongest  = 365 * 24 * time.Hour
	keysMost    = 100 // a user
)

func base62(b []byte, width int) string {
	digits := new(big.Int).SetBytes(b).Text(62)
	return strings.Repeat("0", width-len(digits)) + digits
}

func keyChecksum(digits string) string {
	return base62(binary.BigEndian.AppendUint32(nil, crc32.ChecksumIEEE([]byte(digits))), 6)
}

func newKey() string {
	digits := base62(random(32), keyDigits)
	return keyPrefix + digits + keyChecksum(digits)
}

// parseKey returns what the database and the cache know a well-formed key by.
func parseKey(key string) (credential, error) {
	digits, ok := strings.CutPrefix(key, keyPrefix)
	if !ok || len(key) != keyLength || keyChecksum(digits[:keyDigits]) != digits[keyDigits:] {
		return credential{}, errors.New("access key: malformed")
	}
	return sha256.Sum256([]byte(key)), nil
}

// authenticateKey says who sends an access key. What is wrong with it is for
// the log alone.
func (cl *callers) authenticateKey(r *http.Request, key string) (*httpx.Caller, error) {
	c, err := parseKey(key)
	if err != nil {
		return nil, httpx.ErrUnauthenticated.Because(err)
	}
	k, err := cl.lookup(c, func() (*known, error) { return cl.findKeyBy(r.Context(), "k.hash = $1", c[:]) })
	if err != nil {
		return nil, err
	}
	if !Allows(r.Context(), k.allow) {
		return nil, httpx.ErrUnauthenticated.Because(errors.New("access key: used from an address that is not allowed"))
	}
	cl.cache.touch(k.caller.KeyID, time.Now(), 0)
	return new(k.caller), nil
}

// findKeyBy finds a living key: it may do what both its own list and its
// owner's roles allow at this time.
func (cl *callers) findKeyBy(ctx context.Context, condition string, arg any) (*known, error) {
	return db.One(ctx, cl.db, func(row pgx.Row) (*known, error) {
		k := new(known)
		var scope, owner []string
		err := row.Scan(&k.caller.KeyID, &k.caller.UserID, &k.expires, &k.allow, &scope, &owner, &k.caller.Roles)
		owner = cl.permissions.expand(owner)
		k.caller.Permissions = slices.DeleteFunc(scope, func(p string) bool { return !slices.Contains(owner, p) })
		return k, err
	}, `
-- name: auth.KnownKey
SELECT k.id, k.user_id, k.expires_at, k.allow, k.permissions, `+held+`, `+rolesHeld+`
  FROM access_keys k JOIN users u ON u.id = k.user_id
 WHERE `+condition+` AND k.expires_at > now() AND u.status = 'active'`, arg)
}

// accessKeys makes, lists and revokes the keys of scripts. It owns their rows;
// callers recognises them. A key may never do more than its owner.
type accessKeys struct{ base }

// Key is an access key as its owner sees it: all but the key itself.
type Key struct {
	ID          uuid.UUID      `json:"id"`
	Name        string         `json:"name"`
	Hint        string         `json:"hint"` // how the key begins
	Permissions []string       `json:"permissions"`
	Allow       []netip.Prefix `json:"allow"` // CIDRs it may be used from; empty: anywhere
	CreatedAt   time.Time      `json:"created_at"`
	ExpiresAt   time.Time      `json:"expires_at"`
	LastUsedAt  *time.Time     `json:"last_used_at"` // to a minute; null: never
}

const keyColumns = "k.id, k.name, k.hint, k.permissions, k.allow, k.created_at, k.expires_at, k.last_used_at"

var scanKey = db.RowOf(func(k *Key) []any {
	return []any{&k.ID, &k.Name, &k.Hint, &k.Permissions, &k.Allow, &k.CreatedAt, &k.ExpiresAt, &k.LastUsedAt}
})

// NewKey is the body of POST /auth/keys.
type NewKey struct {
	Name        string     `json:"name"`
	Permissions []string   `json:"permissions"`               // some of one's own
	ExpiresAt   *time.Time `json:"expires_at"`                // in 90 days unless given, in 365 at most
	Allow       []string   `json:"allow,omitempty" most:"50"` // addresses and CIDRs; anywhere unless given
}

// MadeKey answers POST /auth/keys, the one time that the key is shown.
type MadeKey struct {
	Key
	Secret string `json:"key"` // "hb_…"
}

var errTooManyKeys = httpx.NewProblem(409, "too_many_keys", "You have too many access keys").
	With("Revoke one that is no longer needed.")

func (k Key) key() uuid.UUID { return k.ID }

func (ak *accessKeys) routes() []httpx.Route {
	return []httpx.Route{
		{Pattern: "GET /auth/keys", Access: httpx.SignedIn().OrOperator(), Rate: httpx.RateRead,
			Summary: "Your access keys", Do: httpx.Pages(ak.list, Key.key)},
		{Pattern: "POST /auth/keys", Access: httpx.SignedIn().Recent(), Rate: httpx.RateWrite, Body: 64 << 10,
			Summary: "Create an access key for a script", Do: httpx.JSON(ak.postKey).Creates(), Problems: httpx.Problems{errTooManyKeys}},
		{Pattern: "DELETE /auth/keys/{id}", Access: httpx.SignedIn().OrOperator(), Rate: httpx.RateWrite,
			Summary: "Revoke an access key", Do: httpx.Acts(ak.deleteKey), Problems: httpx.Problems{httpx.ErrNotFound}},
	}
}

// list serves GET /auth/keys, the oldest first. The operator sees everybody's.
func (ak *accessKeys) list(c *httpx.Call, p httpx.Keyset[uuid.UUID]) ([]Key, error) {
	return db.All(c.Context(), ak.db, scanKey, `
-- name: auth.KeysOfUser
SELECT `+keyColumns+` FROM access_keys k WHERE (k.user_id = $1 OR $2) AND k.id > $3 ORDER BY k.id LIMIT $4`,
		c.Caller.UserID, c.Caller.Operator, p.After(uuid.Nil), p.Limit)
}

// postKey serves POST /auth/keys.
func (ak *accessKeys) postKey(c *httpx.Call, in NewKey) (MadeKey, error) {
	made, err := ak.make(c.Context(), c.Caller.UserID, c.Caller.SessionID, in)
	c.Created("/auth/keys/" + made.ID.String())
	return made, err
}

// make makes a key that may do a part of what its owner may, who asks for it in
// session; that is zero when the operator does.
func (ak *accessKeys) make(ctx context.Context, owner, session uuid.UUID, in NewKey) (MadeKey, error) {
	var f httpx.Fields
	if strings.TrimSpace(in.Name) == "" {
		f.Add("#/name", "required", "Give the key a name that says what it is for.")
	}
	checkName(&f, "#/name", in.Name)
	permissions := ak.callers.permissions.check(&f, in.Permissions)
	if len(permissions) == 0 {
		f.Add("#/permissions", "required", "Name at least one permission.")
	}
	now := time.Now()
	expires := now.Add(keyLifetime)
	if in.ExpiresAt != nil {
		expires = *in.ExpiresAt
	}
	if !expires.After(now) || expires.After(now.Add(keyLongest)) {
		f.Add("#/expires_at", "out_of_range", "A key must expire in the future, within 365 days.")
	}
	allow := ParseAllow(&f, in.Allow)
	if err := f.Err(); err != nil {
		return MadeKey{}, err
	}
	made := MadeKey{Secret: newKey()}
	err := ak.recorded(ctx, func(tx pgx.Tx) (event audit.Event, err error) {
		if err := lockCaller(ctx, tx, owner, session); err != nil {
			return event, err
		}
		if err := mayGrant(ctx, tx, owner, permissions); err != nil {
			return event, err
		}
		made.Key, err = db.One(ctx, tx, scanKey, `
-- name: auth.InsertKey
INSERT INTO access_keys AS k (id, user_id, name, hint, hash, permissions, allow, expires_at)
SELECT $1, $2, $3, $4, $5, $6, $7, $8
 WHERE (SELECT count(*) FROM access_keys WHERE user_id = $2) < $9
RETURNING `+keyColumns,
			uuid.Must(uuid.NewV7()), owner, in.Name, made.Secret[:keyHint], Digest(made.Secret), permissions, allow, expires, keysMost)
		return audit.Event{Action: audit.KeyCreated, Target: made.ID,
			Details: map[string]string{"owner": owner.String(), "permissions": strings.Join(permissions, " ")}}, NoRow(err, errTooManyKeys)
	})
	return made, err
}

// deleteKey serves DELETE /auth/keys/{id}. The operator revokes anybody's.
func (ak *accessKeys) deleteKey(c *httpx.Call) error {
	ctx := c.Context()
	return ak.change(ctx, func(tx pgx.Tx) (stale, audit.Event, error) {
		user, err := db.One(ctx, tx, db.Value[uuid.UUID], `
-- name: auth.DeleteKey
DELETE FROM access_keys WHERE id = $1 AND (user_id = $2 OR $3) RETURNING user_id`, c.ID, c.Caller.UserID, c.Caller.Operator)
		return staleUser(user), audit.Event{Action: audit.KeyRevoked, Target: c.ID, Details: map[string]string{"owner": user.String()}}, err
	})
}
