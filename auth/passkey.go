package auth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"homebase/audit"
	"homebase/auth/webauthn"
	"homebase/cli"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const (
	passkeysMost      = 10 // a user
	passkeyHandleSize = 64 // bytes by which a user's keys know the user
	transportsMost    = 8  // of a key; the specification has six
)

// base64url is how Web Authentication writes bytes in JSON.
var base64url = base64.RawURLEncoding.Strict()

// passkeys proves a person by a key that their device keeps and that a finger,
// a face or a PIN opens. It owns the rows of the keys and of the challenges;
// what browsers send is verified by webauthn. A key that has recognised its
// user stands for the password and the code; one that has only seen somebody
// there stands for the code.
type passkeys struct {
	base
	domain  string   // the RP ID; "": there are no passkeys
	origins []string // of the pages that may ask
}

// Passkey is a key as its owner sees it.
type Passkey struct {
	ID           uuid.UUID  `json:"id"`
	Name         string     `json:"name"`
	CreatedAt    time.Time  `json:"created_at"`
	LastUsedAt   *time.Time `json:"last_used_at"`  // null: never
	Synced       bool       `json:"synced"`        // it is on several devices
	Transports   []string   `json:"transports"`    // by which a browser reaches it: "internal", "usb" …
	CredentialID string     `json:"credential_id"` // what the device knows it by, in base64url
}

const passkeyColumns = "k.id, k.name, k.created_at, k.last_used_at, k.backed_up, k.transports, k.credential_id"

func scanPasskey(row pgx.Row) (k Passkey, err error) {
	var id []byte
	err = row.Scan(&k.ID, &k.Name, &k.CreatedAt, &k.LastUsedAt, &k.Synced, &k.Transports, &id)
	k.CredentialID = base64url.EncodeToString(id)
	return k, err
}

func (k Passkey) key() uuid.UUID { return k.ID }

var (
	errPasskeysOff = httpx.NewProblem(http.StatusConflict, "passkeys_off", "There are no passkeys here").
			With("Whoever runs this server has not named the domain that they belong to.")
	errPasskeysFull = httpx.NewProblem(http.StatusConflict, "passkeys_full", "You have too many passkeys").
			With("Remove one that is no longer used.")
	errPasskeyExists = httpx.NewProblem(http.StatusConflict, "passkey_exists", "This passkey is known already").
				With("It has been added before.")
	errPasskeyInvalid = httpx.NewProblem(http.StatusUnprocessableEntity, "passkey_invalid", "The passkey could not be verified").
				With("Ask for new options and try again.")
)

func (pk *passkeys) routes() []httpx.Route {
	own, changed := httpx.SignedIn(), httpx.SignedIn().Recent()
	off := httpx.Problems{errPasskeysOff}
	return []httpx.Route{
		{Pattern: "POST /auth/passkeys/options", Access: httpx.Public(), Rate: httpx.RateWrite, Body: 4 << 10, Optional: true,
			Summary: "What a browser needs to sign in with a passkey", Do: httpx.JSON(pk.postOptions).Behind(pk.on), Problems: off},
		{Pattern: "POST /auth/passkeys/registration", Access: changed, Rate: httpx.RateWrite, Body: 4 << 10, Optional: true,
			Summary: "What a browser needs to make a passkey", Do: httpx.JSON(pk.postRegistration).Behind(pk.on), Problems: off.And(errPasskeysFull)},
		{Pattern: "GET /auth/passkeys", Access: own.OrOperator(), Rate: httpx.RateRead,
			Summary: "Your passkeys", Do: httpx.Pages(pk.list, Passkey.key).Behind(pk.on), Problems: off},
		{Pattern: "POST /auth/passkeys", Access: changed, Rate: httpx.RateWrite, Body: passkeyBody,
			Summary: "Add the passkey that a browser has made", Do: httpx.JSON(pk.postPasskey).Behind(pk.on).Creates(),
			Problems: off.And(errPasskeysFull, errPasskeyExists, errPasskeyInvalid)},
		{Pattern: "PATCH /auth/passkeys/{id}", Access: own, Rate: httpx.RateWrite, Body: 4 << 10,
			Summary: "Name a passkey", Do: httpx.JSON(pk.patchPasskey).Behind(pk.on), Problems: off.And(httpx.ErrNotFound)},
		{Pattern: "DELETE /auth/passkeys/{id}", Access: changed.OrOperator(), Rate: httpx.RateWrite,
			Summary: "Remove a passkey; it signs nobody in any more", Do: httpx.Acts(pk.deletePasskey).Behind(pk.on), Problems: off.And(httpx.ErrNotFound)},
	}
}

// on refuses where there are no passkeys. The operator reaches those of
// before, which keep the server from starting with another domain.
func (pk *passkeys) on(c *httpx.Call) error {
	if pk.domain == "" && (c.Caller == nil || !c.Caller.Operator) {
		return errPasskeysOff
	}
	return nil
}

// list serves GET /auth/passkeys, the oldest first. The operator sees
// everybody's.
func (pk *passkeys) list(c *httpx.Call, p httpx.Keyset[uuid.UUID]) ([]Passkey, error) {
	return db.All(c.Context(), pk.db, scanPasskey, `
-- name: auth.PasskeysOfUser
SELECT `+passkeyColumns+` FROM passkeys k WHERE (k.user_id = $1 OR $2) AND k.id > $3 ORDER BY k.id LIMIT $4`,
		c.Caller.UserID, c.Caller.Operator, p.After(uuid.Nil), p.Limit)
}

// NewRegistration is the body of POST /auth/passkeys/registration.
type NewRegistration struct {
	Mediation string `json:"mediation,omitempty"` // "conditional": along with a sign-in, without asking
}

// postRegistration serves POST /auth/passkeys/registration.
func (pk *passkeys) postRegistration(c *httpx.Call, in NewRegistration) (CreationAnswer, error) {
	ctx := c.Context()
	if in.Mediation != "" && in.Mediation != "conditional" {
		return CreationAnswer{}, httpx.Invalid("#/mediation", "invalid", `Send "conditional", or leave it out.`)
	}
	var handle []byte // by which a user's keys know the user, made once
	var ids [][]byte
	user, err := db.One(ctx, pk.db, db.RowOf(func(u *User) []any { return append(u.columns(), &handle, &ids) }), `
-- name: auth.PasskeyHandle
UPDATE users u SET passkey_handle = coalesce(passkey_handle, $2) WHERE u.id = $1
RETURNING `+userColumns+`, u.passkey_handle, ARRAY(SELECT k.credential_id FROM passkeys k WHERE k.user_id = u.id ORDER BY k.id)`,
		c.Caller.UserID, random(passkeyHandleSize))
	if err == nil && len(ids) >= passkeysMost {
		err = errPasskeysFull
	}
	if err != nil {
		return CreationAnswer{}, err
	}
	challenge, err := newChallenge(ctx, pk.db, c.Caller.SessionID, in.Mediation != "")
	return CreationAnswer{pk.creationOptions(user, handle, challenge, ids)}, err
}

// NewPasskey is the body of POST /auth/passkeys.
type NewPasskey struct {
	Name     string               `json:"name,omitempty"` // by the browser unless given
	Response RegistrationResponse `json:"response"`
}

// postPasskey serves POST /auth/passkeys.
func (pk *passkeys) postPasskey(c *httpx.Call, in NewPasskey) (made Passkey, err error) {
	ctx, user := c.Context(), c.Caller.UserID
	name := in.Name
	if name == "" {
		name = deviceName(c.UserAgent())
	}
	if err := checkPasskeyName(name); err != nil {
		return Passkey{}, err
	}
	credential, err := pk.register(ctx, c.Caller.SessionID, in.Response)
	if errors.Is(err, errPasskey) {
		err = errPasskeyInvalid.Because(err)
	}
	if err != nil {
		return Passkey{}, err
	}
	err = pk.recorded(ctx, func(tx pgx.Tx) (event audit.Event, err error) {
		if err := lockCaller(ctx, tx, user, c.Caller.SessionID); err != nil {
			return event, err
		}
		made, err = db.One(ctx, tx, scanPasskey, `
-- name: auth.InsertPasskey
INSERT INTO passkeys AS k (id, user_id, domain, credential_id, public_key, name, transports, counter, backup_eligible, backed_up)
SELECT $1, $2, $3, $4, $5, $6, $7, $8, $9, $10
 WHERE (SELECT count(*) FROM passkeys WHERE user_id = $2) < $11
RETURNING `+passkeyColumns, uuid.Must(uuid.NewV7()), user, pk.domain, credential.ID, credential.PublicKey, name,
			transportsOf(in.Response), int64(credential.Counter), credential.BackupEligible, credential.BackedUp, passkeysMost)
		return passkeyEvent(audit.PasskeyAdded, made.ID, user), NoRow(err, errPasskeysFull)
	})
	c.Created("/auth/passkeys/" + made.ID.String())
	return made, err
}

// transportsOf are those of a new key: short words, for browsers, which have
// said them.
func transportsOf(r RegistrationResponse) []string {
	found := []string{}
	for _, t := range r.Response.Transports {
		if len(t) > 0 && len(t) <= 32 && strings.Trim(t, "abcdefghijklmnopqrstuvwxyz-") == "" && !slices.Contains(found, t) && len(found) < transportsMost {
			found = append(found, t)
		}
	}
	return found
}

func checkPasskeyName(name string) error {
	var f httpx.Fields
	if strings.TrimSpace(name) == "" {
		f.Add("#/name", "required", "Give the passkey a name that says where it is.")
	}
	checkName(&f, "#/name", name)
	return f.Err()
}

// PasskeyPatch is the body of PATCH /auth/passkeys/{id}, a merge patch.
type PasskeyPatch struct {
	Name httpx.Optional[string] `json:"name"`
}

// patchPasskey serves PATCH /auth/passkeys/{id}.
func (pk *passkeys) patchPasskey(c *httpx.Call, in PasskeyPatch) (Passkey, error) {
	if in.Name.Set {
		if err := checkPasskeyName(in.Name.Value); err != nil {
			return Passkey{}, err
		}
	}
	return db.One(c.Context(), pk.db, scanPasskey, `
-- name: auth.RenamePasskey
UPDATE passkeys k SET name = CASE WHEN $3 THEN $4 ELSE name END WHERE k.id = $1 AND k.user_id = $2
RETURNING `+passkeyColumns, c.ID, c.Caller.UserID, in.Name.Set, in.Name.Value)
}

// deletePasskey serves DELETE /auth/passkeys/{id}. The password stays a way in.
func (pk *passkeys) deletePasskey(c *httpx.Call) error {
	ctx := c.Context()
	return pk.recorded(ctx, func(tx pgx.Tx) (audit.Event, error) {
		user, err := db.One(ctx, tx, db.Value[uuid.UUID], `
-- name: auth.DeletePasskey
DELETE FROM passkeys WHERE id = $1 AND (user_id = $2 OR $3) RETURNING user_id`, c.ID, c.Caller.UserID, c.Caller.Operator)
		return passkeyEvent(audit.PasskeyRemoved, c.ID, user), err
	})
}

func passkeyEvent(action audit.Action, key, owner uuid.UUID) audit.Event {
	return audit.Event{Action: action, Target: key, Details: map[string]string{"owner": owner.String()}}
}

// PasskeyDomains are the domains of all keys that are kept, with their number.
func (pk *passkeys) PasskeyDomains(ctx context.Context) (map[string]int, error) {
	domains := map[string]int{}
	_, err := db.All(ctx, pk.db, func(row pgx.Row) (domain string, err error) {
		var keys int
		err = row.Scan(&domain, &keys)
		domains[domain] = keys
		return domain, err
	}, `
-- name: auth.PasskeyDomains
SELECT domain, count(*) FROM passkeys GROUP BY domain`)
	return domains, err
}

// checkDomain refuses to go on with another domain than that of the keys: no
// browser would offer them any more, and nobody would know why.
func (pk *passkeys) checkDomain(ctx context.Context) error {
	domains, err := pk.PasskeyDomains(ctx)
	if err != nil || pk.domain == "" {
		return err
	}
	for domain, keys := range domains {
		if domain != pk.domain {
			return fmt.Errorf("HOMEBASE_PASSKEY_DOMAIN is %s, but %s of people here belong to %s and would be lost: set it back; "+
				"or, to give them up, remove them while it is empty, with homebase api GET /auth/passkeys and homebase api DELETE /auth/passkeys/{id}",
				pk.domain, cli.Count(keys, "passkey", "passkeys"), domain)
		}
	}
	return nil
}

// decoded is the bytes of a member that is base64url.
func decoded(member string) []byte {
	b, err := base64url.DecodeString(member)
	if err != nil {
		return nil // which nothing that is verified can be
	}
	return b
}

// register verifies the answer to a registration of a session, whose challenge
// it uses up. errPasskey for whatever is wrong with it.
func (pk *passkeys) register(ctx context.Context, session uuid.UUID, in RegistrationResponse) (webauthn.Credential, error) {
	clientData := decoded(in.Response.ClientDataJSON)
	challenge, hash, err := challengeOf(clientData)
	if err != nil {
		return webauthn.Credential{}, err
	}
	unnoticed, err := pk.spend(ctx, hash, session)
	if err != nil {
		return webauthn.Credential{}, err
	}
	ceremony := webauthn.Ceremony{Domain: pk.domain, Origins: pk.origins, Challenge: challenge, Unnoticed: unnoticed}
	credential, err := ceremony.Register(clientData, decoded(in.Response.AttestationObject))
	if err != nil {
		err = fmt.Errorf("%w: %w", errPasskey, err)
	}
	return credential, err
}
