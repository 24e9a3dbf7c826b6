package files

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/netip"
	"time"

	"homebase/audit"
	"homebase/auth"
	"homebase/db"
	"homebase/files/disk"
	"homebase/files/journal"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

const mayShare = "files:share"

// What a share's guests may do with its item.
const (
	modeRead = "read"
	modeDrop = "drop" // put files into the folder, and see nothing
)

const (
	dropSize             = 1 << 30 // bytes of one dropped file, unless the owner says otherwise
	longestSharePassword = 1024    // bytes
	mostShares           = 1000    // of an owner, expired ones too
)

var errTooManyShares = httpx.NewProblem(409, "too_many_shares", "You have too many shares").
	With("End one that is no longer needed.")

// shares are what owners give to others, links and items by name, and what guests
// with a link do.
type shares struct {
	changer
	keys func(purpose string) [][]byte
	rd   *reader
	wr   *writer
}

// share is a row of shares, and as JSON what its owner sees of it.
type share struct {
	ID           uuid.UUID      `json:"id"`
	Token        string         `json:"token,omitempty"` // when it is made, and never again
	Owner        uuid.UUID      `json:"-"`
	By           *uuid.UUID     `json:"-"`         // whose it is in a space; nil: the owner's
	Recipient    *uuid.UUID     `json:"user_id"`   // who alone may open it, by name; null: whoever has the token
	With         *string        `json:"user_name"` // the recipient's, or their address where they have none
	Role         *role          `json:"role"`      // the recipient's; null without one
	Item         uuid.UUID      `json:"item_id"`
	ItemName     string         `json:"item_name"` // "" for the root
	Mode         string         `json:"mode"`
	Password     *string        `json:"-"` // its hash; nil: none is asked for
	HasPassword  bool           `json:"has_password"`
	Expires      *time.Time     `json:"expires_at"`
	MaxDownloads *int64         `json:"max_downloads"`
	Downloads    int64          `json:"downloads"`
	MaxSize      *int64         `json:"max_size"` // bytes of one dropped file; null in mode read
	Notify       bool           `json:"notify"`   // mode drop: whose share it is is told of what comes
	Allow        []netip.Prefix `json:"allow"`    // where it works from; empty: anywhere
	Created      time.Time      `json:"created_at"`
}

// nameOrAddress is what somebody who shares by name is told of the other.
const nameOrAddress = `coalesce(nullif(u.name, ''), u.email)`

const shareColumns = `s.id, s.owner_id, s.user_id, s.recipient_id, (SELECT ` + nameOrAddress + ` FROM users u WHERE u.id = s.recipient_id), s.role, s.item_id, (SELECT i.name FROM items i WHERE i.id = s.item_id), s.mode, s.password_hash, s.password_hash IS NOT NULL, s.expires_at, s.max_downloads, s.downloads, s.max_size, s.notify AND s.mode = 'drop', s.allow, s.created_at`

// fields are where a row of shareColumns is scanned to.
func (s *share) fields() []any {
	return []any{&s.ID, &s.Owner, &s.By, &s.Recipient, &s.With, &s.Role, &s.Item, &s.ItemName, &s.Mode, &s.Password, &s.HasPassword, &s.Expires,
		&s.MaxDownloads, &s.Downloads, &s.MaxSize, &s.Notify, &s.Allow, &s.Created}
}

var scanShare = db.RowOf((*share).fields)

// whose is the user whose share it is.
func (s *share) whose() uuid.UUID { return *cmp.Or(s.By, &s.Owner) }

// needs are the permissions that whose share it is must hold for as long as it
// is to work: nobody opens by a link what they cannot open themselves. In a
// space they must be an editor too.
func (s *share) needs() []string {
	if s.Mode == modeDrop || s.Role != nil && *s.Role == editor {
		return []string{mayShare, mayWrite}
	}
	return []string{mayShare, mayRead}
}

// mayOffer asks whether the caller may still make this share, by a link or by name:
// setting its terms demands the same, or whoever may not make one would open
// another's.
func (sh *shares) mayOffer(ctx context.Context, s *share) error {
	for _, p := range s.needs() {
		if err := sh.trees.still(ctx, p, editor); err != nil {
			return err
		}
	}
	return nil
}

// shareTerms are what an owner may say of a share at any time; null takes a
// term away.
type shareTerms struct {
	Password     httpx.Optional[string]    `json:"password"`
	ExpiresAt    httpx.Optional[time.Time] `json:"expires_at"`
	MaxDownloads httpx.Optional[int64]     `json:"max_downloads"` // mode read
	MaxSize      httpx.Optional[int64]     `json:"max_size"`      // mode drop
	Notify       httpx.Optional[bool]      `json:"notify"`        // mode drop; absent or null: yes
	Allow        httpx.Optional[[]string]  `json:"allow"`         // addresses and CIDRs
}

// newShare is the body of POST /files/shares.
type newShare struct {
	ItemID uuid.UUID `json:"item_id"`
	Mode   string    `json:"mode,omitempty"` // read, also when absent, or drop
	// UserID makes it a share by name, with a role and without a token; of the
	// terms it takes expires_at alone.
	UserID *uuid.UUID `json:"user_id,omitempty"`
	Role   *role      `json:"role,omitempty"` // viewer or editor
	shareTerms
}

// apply gives the share its terms, and says all that is wrong with them.
func (s *share) apply(t shareTerms) error {
	var f httpx.Fields
	if s.Recipient != nil && (t.Password.Set || t.MaxDownloads.Set || t.MaxSize.Set || t.Notify.Set || t.Allow.Set) {
		f.Add("#/user_id", "invalid", "A share with a user has no terms but expires_at.")
	}
	s.Expires = chosen(t.ExpiresAt, s.Expires)
	if t.ExpiresAt.Set && s.Expires != nil && !s.Expires.After(time.Now()) {
		f.Add("#/expires_at", "out_of_range", "A share must expire in the future.")
	}
	s.MaxDownloads = chosen(t.MaxDownloads, s.MaxDownloads)
	if n := s.MaxDownloads; n != nil && (*n < 1 || s.Mode == modeDrop) {
		f.Add("#/max_downloads", "invalid", "A limit of downloads is 1 or more, and only for a share with mode read.")
	}
	s.MaxSize = chosen(t.MaxSize, s.MaxSize)
	if s.Mode == modeDrop && s.MaxSize == nil {
		s.MaxSize = new(int64(dropSize))
	}
	if n := s.MaxSize; n != nil && (*n < 1 || s.Mode != modeDrop) {
		f.Add("#/max_size", "invalid", "A limit of size is 1 byte or more, and only for a share with mode drop.")
	}
	if t.Notify.Set {
		s.Notify = t.Notify.Null || t.Notify.Value
	}
	if s.Mode != modeDrop && t.Notify.Set && !t.Notify.Null {
		f.Add("#/notify", "invalid", "Only of a share with mode drop there is something to tell.")
	}
	if t.Password.Set && !t.Password.Null && (t.Password.Value == "" || len(t.Password.Value) > longestSharePassword) {
		f.Add("#/password", "invalid", "A share's password must be 1 to 1024 bytes long; null means none.")
	}
	if t.Allow.Set || s.Allow == nil {
		s.Allow = auth.ParseAllow(&f, t.Allow.Value)
	}
	return f.Err()
}

// chosen is what a term says, or what held before when it says nothing.
func chosen[T any](term httpx.Optional[T], before *T) *T {
	switch {
	case !term.Set:
		return before
	case term.Null:
		return nil
	}
	return &term.Value
}

// hashPassword hashes a share's password, nil for none.
func (sh *shares) hashPassword(ctx context.Context, term httpx.Optional[string]) (*string, error) {
	if !term.Set || term.Null {
		return nil, nil
	}
	hash, err := sh.auth.HashSecret(ctx, term.Value)
	return &hash, err
}

// postShare is POST /files/shares.
func (sh *shares) postShare(c *httpx.Call, in newShare) (s share, err error) {
	ctx, v, err := sh.trees.enterTreeOf(c.Context(), in.ItemID, editor)
	if err == nil {
		err = v.givable()
	}
	if err != nil {
		return s, err
	}
	s = share{Owner: v.owner, Item: in.ItemID, Mode: modeRead}
	if disk.IsSpace(v.owner) {
		s.By = new(c.Caller.UserID)
	}
	if err := s.begin(in, c.Caller.UserID); err != nil {
		return s, err
	}
	if err := sh.mayOffer(ctx, &s); err != nil {
		return s, err
	}
	if err := s.apply(in.shareTerms); err != nil {
		return s, err
	}
	it, err := itemByID(ctx, sh.db, s.Owner, s.Item)
	if err != nil {
		return s, err
	}
	if s.Mode == modeDrop && it.IsFile() {
		return s, errNotFolder.With("Files can only be dropped into a folder.")
	}
	if s.Password, err = sh.hashPassword(ctx, in.Password); err != nil {
		return s, err
	}
	if err := sh.mayOffer(ctx, &s); err != nil { // hashing can wait
		return s, err
	}
	s, err = sh.insert(ctx, s)
	c.Created("/files/shares/" + s.ID.String())
	return s, err
}

// begin makes it a share by a link, with a mode, or by name, with a role.
func (s *share) begin(in newShare, caller uuid.UUID) error {
	var f httpx.Fields
	switch {
	case in.UserID != nil:
		if in.Mode != "" {
			f.Add("#/mode", "invalid", "A share with a user has a role and no mode.")
		}
		if in.Role == nil || *in.Role != viewer && *in.Role != editor {
			f.Add("#/role", "invalid", "The role must be viewer or editor.")
		}
		if *in.UserID == caller || *in.UserID == s.Owner {
			f.Add("#/user_id", "invalid", "It is theirs already.")
		}
		s.Recipient, s.Role = in.UserID, in.Role
	case in.Mode == modeDrop:
		s.Mode, s.Notify = modeDrop, true
	case in.Mode != "" && in.Mode != modeRead:
		f.Add("#/mode", "invalid", "The mode must be read or drop.")
	}
	return f.Err()
}

// insert writes a new share where there are not too many, and returns a link
// with its token. Whoever has the item by name already gets the other role.
func (sh *shares) insert(ctx context.Context, s share) (made share, err error) {
	const count = `-- name: files.CountShares
		SELECT count(*) FROM shares s WHERE s.owner_id = $1`
	const known = `-- name: files.UserToShareWith
		SELECT u.id FROM users u WHERE u.id = $1 AND u.status = 'active' FOR KEY SHARE`
	const sql = `-- name: files.InsertShare
		INSERT INTO shares AS s (id, owner_id, item_id, token_hash, mode, password_hash, expires_at, max_downloads, max_size, notify, allow,
		                         user_id, recipient_id, role)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		    ON CONFLICT (item_id, recipient_id) DO UPDATE SET expires_at = excluded.expires_at, user_id = excluded.user_id, role = excluded.role
		RETURNING ` + shareColumns
	token := newShareToken()
	err = sh.journal.Hold(ctx, s.Owner, func(tx *journal.Tx) error {
		if n, err := db.One(ctx, tx, db.Value[int], count, s.Owner); err != nil {
			return err
		} else if n >= mostShares {
			return errTooManyShares
		}
		if s.Recipient != nil {
			_, err := db.One(ctx, tx, db.Value[uuid.UUID], known, *s.Recipient)
			if errors.Is(err, db.ErrNotFound) {
				err = httpx.Invalid("#/user_id", "missing", "There is no such user.")
			}
			if err == nil {
				err = db.Notify(ctx, tx, membersChannel, "")
			}
			if err != nil {
				return err
			}
		}
		made, err = db.One(ctx, tx, scanShare, sql, journal.NewID(), s.Owner, s.Item, shareHash(token), s.Mode, s.Password, s.Expires,
			s.MaxDownloads, s.MaxSize, s.Notify, s.Allow, s.By, s.Recipient, s.Role)
		if err != nil {
			return err
		}
		return sh.audit.Record(ctx, tx, made.event(audit.ShareCreated))
	})
	if kind, _ := db.KindOf(err); kind == db.Missing {
		err = httpx.ErrNotFound.Because(err) // purged meanwhile
	}
	if s.Recipient != nil {
		sh.trees.members.Forget()
	} else {
		made.Token = token
	}
	return made, err
}

// holding is a visit to the tree of a share's item: to the caller's own where
// there is no such share, and it is not found there.
func (sh *shares) holding(r *http.Request) (visit, error) {
	const sql = `-- name: files.TreeOfShare
		SELECT s.owner_id FROM shares s WHERE s.id = $1`
	id, _ := uuid.Parse(r.PathValue("id")) // what is none is no share's
	owner, err := db.One(r.Context(), sh.db, db.Value[uuid.UUID], sql, id)
	return cmp.Or(visit{owner: owner}, home(r.Context())), ignoreNotFound(err)
}

// event is what the audit log says of a share.
func (s *share) event(action audit.Action) audit.Event {
	details := map[string]string{"item": s.Item.String(), "mode": s.Mode}
	if s.Recipient != nil {
		details["user"], details["role"] = s.Recipient.String(), string(*s.Role)
	}
	return journal.InTree(s.Owner, audit.Event{Action: action, Target: s.ID, Details: details})
}

// getShares is GET /files/shares, the newest first; ?item_id= asks for those
// of one item.
func (sh *shares) getShares(c *httpx.Call, p httpx.Keyset[uuid.UUID]) ([]share, error) {
	var item *uuid.UUID
	if asked := c.URL.Query().Get("item_id"); asked != "" {
		id, err := uuid.Parse(asked)
		if err != nil {
			return nil, httpx.ErrInvalidParameter.With("item_id must be the id of a file or folder.")
		}
		item = &id
	}
	const sql = `-- name: files.SharesOfOwner
		SELECT ` + shareColumns + ` FROM shares s
		 WHERE s.owner_id = $1 AND s.id < $2 AND ($3::uuid IS NULL OR s.item_id = $3) ORDER BY s.id DESC LIMIT $4`
	return db.All(c.Context(), sh.db, scanShare, sql, visitOf(c.Context()).owner, p.After(uuid.Max), item, p.Limit)
}

func (s share) key() uuid.UUID { return s.ID }

// patchShare is PATCH /files/shares/{id}. Whoever has unlocked the share has
// to do so again after another password was set.
func (sh *shares) patchShare(c *httpx.Call, in shareTerms) (s share, err error) {
	ctx := c.Context()
	hash, err := sh.hashPassword(ctx, in.Password)
	if err != nil {
		return s, err
	}
	err = sh.db.InTx(ctx, func(tx pgx.Tx) error {
		const find = `-- name: files.ShareToChange
			SELECT ` + shareColumns + ` FROM shares s WHERE s.id = $1 AND s.owner_id = $2 FOR UPDATE`
		const change = `-- name: files.UpdateShare
			UPDATE shares s SET password_hash = $2, expires_at = $3, max_downloads = $4, max_size = $5, notify = $6, allow = $7 WHERE s.id = $1
			RETURNING ` + shareColumns
		if s, err = db.One(ctx, tx, scanShare, find, c.ID, visitOf(ctx).owner); err != nil {
			return err
		}
		if err := sh.mayOffer(ctx, &s); err != nil {
			return err
		}
		if err := s.apply(in); err != nil {
			return err
		}
		if in.Password.Set {
			s.Password = hash
		}
		if s, err = db.One(ctx, tx, scanShare, change, s.ID, s.Password, s.Expires, s.MaxDownloads, s.MaxSize, s.Notify, s.Allow); err != nil {
			return err
		}
		return sh.audit.Record(ctx, tx, s.event(audit.ShareUpdated))
	})
	return s, err
}

// deleteShare is DELETE /files/shares/{id}: the link opens nothing any more.
func (sh *shares) deleteShare(c *httpx.Call) error {
	ctx := c.Context()
	return sh.db.InTx(ctx, func(tx pgx.Tx) error {
		const sql = `-- name: files.DeleteShare
			DELETE FROM shares s WHERE s.id = $1 AND s.owner_id = $2 RETURNING ` + shareColumns
		s, err := db.One(ctx, tx, scanShare, sql, c.ID, visitOf(ctx).owner)
		if err != nil {
			return err
		}
		return sh.audit.Record(ctx, tx, s.event(audit.ShareEnded))
	})
}

// endShares ends the shares of an item that goes to the trash, and of all that
// is in it. Whoever restores it shares it anew: nobody remembers by then which
// links lead to it.
func endShares(ctx context.Context, t *journal.Tx, owner uuid.UUID, it item) error {
	const sql = `-- name: files.EndShares
		DELETE FROM shares s
		 WHERE s.owner_id = $1
		   AND (s.item_id = $2 OR NOT $3 AND EXISTS (SELECT FROM item_up(s.item_id) u WHERE u.id = $2))
		RETURNING ` + shareColumns
	ended, err := db.All(ctx, t, scanShare, sql, owner, it.ID, it.IsFile())
	for _, s := range ended {
		t.Audit(ctx, s.event(audit.ShareEnded))
	}
	return err
}
