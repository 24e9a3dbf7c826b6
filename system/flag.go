package system

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/jackc/pgx/v5"
)

// Flag is a feature flag: a switch that frontends read and that can be changed without
// deploying them.
type Flag struct {
	Key string `json:"key"`
	FlagFields
	Revision  int64     `json:"revision"`
	CreatedAt time.Time `json:"created_at"`
	UpdatedAt time.Time `json:"updated_at"`
}

// FlagFields is the body of PUT /system/flags/{key}.
type FlagFields struct {
	Description string `json:"description"`
	Enabled     bool   `json:"enabled"`
	// Public says that people who are not signed in see the flag too.
	Public bool `json:"public"`
	// Rules say for whom it is on; without rules it is on for everyone.
	Rules []Rule `json:"rules" most:"50"`
}

const (
	flagsMost = 500 // all of them are one answer and are kept in memory
	namesMost = 500 // roles or users in a rule
	flagBody  = 256 << 10
)

var (
	flagKey  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$`)
	errFlags = httpx.NewProblem(409, "too_many_flags", "There are too many flags").
			With(fmt.Sprintf("At most %d are allowed; delete those that nobody uses any more.", flagsMost))
)

func (in *FlagFields) check(f *httpx.Fields) {
	if len([]rune(in.Description)) > 500 {
		f.Add("#/description", "too_long", "A description has at most 500 characters.")
	}
	for i, rule := range in.Rules {
		at := "#/rules/" + strconv.Itoa(i)
		switch {
		case len(rule.Roles) == 0 && len(rule.Users) == 0 && rule.Percentage == nil:
			f.Add(at, "empty", "A rule names roles, users or a percentage; a flag for everyone has no rules.")
		case len(rule.Roles) > namesMost || len(rule.Users) > namesMost:
			f.Add(at, "too_many", fmt.Sprintf("A rule names at most %d roles and users.", namesMost))
		case rule.Percentage != nil && (*rule.Percentage < 0 || *rule.Percentage > 100):
			f.Add(at+"/percentage", "out_of_range", "A percentage is a number from 0 to 100.")
		}
	}
	if in.Rules == nil {
		in.Rules = []Rule{}
	}
}

const flagColumns = "f.key, f.description, f.enabled, f.public, f.rules, f.revision, f.created_at, f.updated_at"

func scanFlag(row pgx.Row) (f Flag, err error) {
	err = row.Scan(&f.Key, &f.Description, &f.Enabled, &f.Public, &f.Rules, &f.Revision, &f.CreatedAt, &f.UpdatedAt)
	f.CreatedAt, f.UpdatedAt = f.CreatedAt.UTC(), f.UpdatedAt.UTC()
	return f, err
}

// readFlags reads all flags, sorted by key. They are kept in memory, so that asking for
// them costs no query.
func (s *System) readFlags(ctx context.Context) ([]Flag, error) {
	return db.All(ctx, s.DB, scanFlag, `
-- name: system.Flags
SELECT `+flagColumns+` FROM flags f ORDER BY f.key`)
}

func (f Flag) ETag() string { return httpx.RevisionTag(f.Revision) }

// listFlags serves GET /system/flags.
func (s *System) listFlags(c *httpx.Call) (httpx.List[FlagState], error) {
	states, err := s.statesFor(c.Context(), subjectOf(c.Caller, ""))
	return httpx.List[FlagState]{Items: states}, err
}

// getFlag serves GET /system/flags/{key} from the database: whoever is about to change
// a flag must see its latest state.
func (s *System) getFlag(c *httpx.Call) (Flag, error) {
	return flagByKey(c.Context(), s.DB, c.PathValue("key"))
}

func flagByKey(ctx context.Context, q db.Querier, key string) (Flag, error) {
	return db.One(ctx, q, scanFlag, `
-- name: system.FlagByKey
SELECT `+flagColumns+` FROM flags f WHERE f.key = $1`, key)
}

// changeFlag runs fn in a transaction that excludes other changes of flags.
func (s *System) changeFlag(c *httpx.Call, fn func(ctx context.Context, tx pgx.Tx, before Flag, there bool) error) error {
	ctx := c.Context()
	defer s.flags.Forget()
	return s.DB.InTx(ctx, func(tx pgx.Tx) error {
		_, err := db.Exec(ctx, tx, `
-- name: system.LockFlags
LOCK TABLE flags IN SHARE ROW EXCLUSIVE MODE`)
		if err != nil {
			return err
		}
		before, err := flagByKey(ctx, tx, c.PathValue("key"))
		var tags []string // none where there is no flag
		there := err == nil
		if there {
			tags = []string{before.ETag()}
		} else if !errors.Is(err, db.ErrNotFound) {
			return err
		}
		if !httpx.IfMatch(c.Header, tags...) || c.Method == http.MethodPut && httpx.IfNoneMatch(c.Header, tags...) {
			return httpx.ErrPreconditionFailed
		}
		if err := fn(ctx, tx, before, there); err != nil {
			return err
		}
		return db.Notify(ctx, tx, flagsChannel, "")
	})
}

// putFlag serves PUT /system/flags/{key}.
func (s *System) putFlag(c *httpx.Call, in FlagFields) (flag Flag, err error) {
	var f httpx.Fields
	if in.check(&f); !flagKey.MatchString(c.PathValue("key")) {
		f.Add("#/key", "invalid", "A flag's key has at most 100 letters, digits, dots, - and _, and begins with a letter or digit.")
	}
	if err := f.Err(); err != nil {
		return flag, err
	}
	created := false
	err = s.changeFlag(c, func(ctx context.Context, tx pgx.Tx, before Flag, there bool) error {
		action := audit.FlagUpdated
		if created = !there; created {
			action = audit.FlagCreated
		}
		flag, err = db.One(ctx, tx, scanFlag, `
-- name: system.PutFlag
INSERT INTO flags AS f (key, description, enabled, public, rules)
SELECT $1, $2, $3, $4, $5 WHERE $6 OR (SELECT count(*) FROM flags) < $7
    ON CONFLICT (key) DO UPDATE
   SET description = $2, enabled = $3, public = $4, rules = $5, revision = f.revision + 1, updated_at = now()
RETURNING `+flagColumns, c.PathValue("key"), in.Description, in.Enabled, in.Public, in.Rules, there, flagsMost)
		if errors.Is(err, db.ErrNotFound) {
			return errFlags
		}
		if err != nil {
			return err
		}
		return s.recordFlag(ctx, tx, action, flag)
	})
	if created {
		c.Created("/system/flags/" + flag.Key)
	}
	return flag, err
}

// deleteFlag serves DELETE /system/flags/{key}.
func (s *System) deleteFlag(c *httpx.Call) error {
	return s.changeFlag(c, func(ctx context.Context, tx pgx.Tx, before Flag, there bool) error {
		if !there {
			return db.ErrNotFound
		}
		_, err := db.Exec(ctx, tx, `
-- name: system.DeleteFlag
DELETE FROM flags WHERE key = $1`, before.Key)
		if err != nil {
			return err
		}
		return s.recordFlag(ctx, tx, audit.FlagDeleted, before)
	})
}

func (s *System) recordFlag(ctx context.Context, tx pgx.Tx, action audit.Action, f Flag) error {
	return s.Audit.Record(ctx, tx, audit.Event{Action: action, Details: map[string]string{
		"key": f.Key, "enabled": strconv.FormatBool(f.Enabled), "public": strconv.FormatBool(f.Public), "rules": strconv.Itoa(len(f.Rules)),
	}})
}
