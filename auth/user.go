package auth

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// users makes, changes and deletes accounts, for those who manage users, for
// each user's own, and for the operator. It owns the rows of users and who has
// which role. Nobody gives what they lack, and one admin always stays.
type users struct {
	base
	passwords *passwords
	sessions  *sessions
	storage   Storage
}

// Storage is what other rooms keep of users, mostly package files: it knows
// auth, which is made first and handed these functions. All but Quotas are
// called in a transaction that holds the user's row. A nil function knows of
// nothing that is kept.
type Storage struct {
	// Quotas are the quotas of those of the users who have some of their own.
	Quotas        func(ctx context.Context, users []uuid.UUID) (map[uuid.UUID]Quota, error)
	SetQuota      func(ctx context.Context, tx pgx.Tx, user uuid.UUID, bytes *int64) error
	SetEntryQuota func(ctx context.Context, tx pgx.Tx, user uuid.UUID, entries *int64) error
	// Erase lets go of everything that refers to a user who is about to be
	// deleted.
	Erase func(ctx context.Context, tx pgx.Tx, user uuid.UUID) error
}

// Quota is how much a user may store; nil is the server's default.
type Quota struct {
	Bytes   *int64
	Entries *int64 // files and folders
}

// Keep says where what belongs to users is kept. Call it once, before requests
// are answered and commands run.
func (us *users) Keep(s Storage) { us.storage = s }

// User is a person with an account.
type User struct {
	ID        uuid.UUID `json:"id"`
	Email     string    `json:"email"`
	Name      string    `json:"name"`
	Status    string    `json:"status"` // "active" or "disabled"
	TOTP      bool      `json:"totp"`   // on: signing in asks for a code
	Revision  int64     `json:"revision"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// ETag is for httpx, of whatever shows a user.
func (u User) ETag() string { return httpx.RevisionTag(u.Revision) }

func (u User) key() uuid.UUID { return u.ID }

const (
	statusActive   = "active"
	statusDisabled = "disabled"
)

const userColumns = `u.id, u.email, u.name, u.status,
       EXISTS (SELECT FROM totp WHERE user_id = u.id AND confirmed_at IS NOT NULL),
       u.revision, u.created_at, u.updated_at`

// columns take userColumns.
func (u *User) columns() []any {
	return []any{&u.ID, &u.Email, &u.Name, &u.Status, &u.TOTP, &u.Revision, &u.CreatedAt, &u.UpdatedAt}
}

// account is what signing in compares with.
type account struct {
	User
	passwordHash string
}

const accountColumns = userColumns + ", u.password_hash"

func (acc *account) columns() []any { return append(acc.User.columns(), &acc.passwordHash) }

var scanAccount = db.RowOf((*account).columns)

// accountByEmail finds a user by address, without case; db.ErrNotFound.
func accountByEmail(ctx context.Context, q db.Querier, email string) (account, error) {
	return db.One(ctx, q, scanAccount, `
-- name: auth.AccountByEmail
SELECT `+accountColumns+` FROM users u WHERE lower(u.email) = lower($1 COLLATE "C")`, email)
}

func accountByID(ctx context.Context, q db.Querier, id uuid.UUID) (account, error) {
	return db.One(ctx, q, scanAccount, `
-- name: auth.AccountByID
SELECT `+accountColumns+` FROM users u WHERE u.id = $1`, id)
}

// lockAccount is accountByID that makes every other change of the user wait
// until the transaction ends: sign-ins, password changes and disabling happen
// one after the other. Foreign keys to the user are not held up.
func lockAccount(ctx context.Context, tx pgx.Tx, id uuid.UUID) (account, error) {
	return db.One(ctx, tx, scanAccount, `
-- name: auth.LockAccount
SELECT `+accountColumns+` FROM users u WHERE u.id = $1 FOR NO KEY UPDATE`, id)
}

var errEmail = errors.New("not an address such as ada@example.com, in ASCII and at most 254 characters")

// ParseEmail is the platform's one rule for addresses, without the space around
// them: ASCII without spaces or controls, one @ with something on both sides,
// at most 254 characters. Whether somebody reads mail there only mail can tell.
func ParseEmail(s string) (string, error) {
	s = strings.TrimSpace(s) // keyboards put a space behind what they complete
	local, domain, ok := strings.Cut(s, "@")
	if !ok || len(s) > 254 || len(local) > 64 || local == "" || domain == "" || strings.Contains(domain, "@") {
		return "", errEmail
	}
	for i := range len(s) {
		// Quotes, commas, angles and the like are for mail headers.
		if s[i] <= ' ' || s[i] > '~' || strings.IndexByte(`"(),:;<>[\]`, s[i]) >= 0 {
			return "", errEmail
		}
	}
	if parts := strings.FieldsFunc(s, func(r rune) bool { return r == '.' || r == '@' }); len(parts) != strings.Count(s, ".")+2 {
		return "", errEmail
	}
	return s, nil
}

// checkEmail is ParseEmail for a field of a body.
func checkEmail(f *httpx.Fields, given string) string {
	email, err := ParseEmail(given)
	if err != nil {
		f.Add("#/email", "invalid", "This is "+err.Error()+".")
	}
	return email
}

const nameLongest = 200

// checkName refuses a display name that is too long or holds controls.
func checkName(f *httpx.Fields, pointer, name string) {
	if len([]rune(name)) > nameLongest {
		f.Add(pointer, "too_long", "A name has at most 200 characters.")
	}
	if strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\uFFFD' }) {
		f.Add(pointer, "invalid", "A name has no control characters.")
	}
}

// NewUser is what CreateUser needs.
type NewUser struct {
	Email        string
	Name         string
	PasswordHash string // from HashPassword
	Roles        []string
	Quota        *int64 // bytes; nil is the server's default
}

// CreateUser writes a user with roles and records it, in the transaction tx.
// Errors: a *httpx.Problem for an address that is none, and from the
// database a conflict email_taken or a missing role.
func (us *users) CreateUser(ctx context.Context, tx pgx.Tx, n NewUser) (User, error) {
	var f httpx.Fields
	email := checkEmail(&f, n.Email)
	checkName(&f, "#/name", n.Name)
	if err := f.Err(); err != nil {
		return User{}, err
	}
	u, err := db.One(ctx, tx, db.RowOf((*User).columns), `
-- name: auth.InsertUser
INSERT INTO users AS u (id, email, name, password_hash) VALUES ($1, $2, $3, $4)
RETURNING `+userColumns, uuid.Must(uuid.NewV7()), email, n.Name, n.PasswordHash)
	if err != nil {
		return User{}, err
	}
	if err := us.audit.Record(ctx, tx, audit.Event{Action: audit.UserCreated, Target: u.ID}); err != nil {
		return User{}, err
	}
	if err := us.setRoles(ctx, tx, u.ID, nil, n.Roles); err != nil {
		return User{}, err
	}
	if n.Quota != nil && us.storage.SetQuota != nil {
		err = us.storage.SetQuota(ctx, tx, u.ID, n.Quota)
	}
	return u, err
}

// setRoles makes the roles of a user, who had some, those of roles, and
// records each that changes. One that does not exist is the database's error
// role_missing.
func (us *users) setRoles(ctx context.Context, tx pgx.Tx, user uuid.UUID, had, roles []string) error {
	granted, revoked := without(roles, had), without(had, roles)
	err := db.Exec(ctx, tx, `
-- name: auth.SetRoles
WITH gone AS (DELETE FROM user_roles WHERE user_id = $1 AND role = ANY($3))
INSERT INTO user_roles (user_id, role) SELECT $1, unnest($2::text[]) ON CONFLICT DO NOTHING`, user, granted, revoked)
	for i, role := range slices.Concat(granted, revoked) {
		if err != nil {
			return err
		}
		action := audit.RoleGranted
		if i >= len(granted) {
			action = audit.RoleRevoked
		}
		err = us.audit.Record(ctx, tx, audit.Event{Action: action, Target: user, Details: map[string]string{"role": role}})
	}
	return err
}
