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

// Flag is a feature flag: a switch that frontends ask for and that is changed
// without deploying them.
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
	// Public: also those who are not signed in learn of the flag.
	Public bool `json:"public"`
	// Rules say for whom it is on; with none it is on for everyone.
	Rules []Rule `json:"rules" most:"50"`
}

const (
	flagsMost = 500 // all of them are one answer and lie in memory
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

// readFlags reads all flags by key. They are kept in memory, so that asking
// for them costs no query.
func (s *System) readFlags(ctx context.Context) ([]Flag, error) {
	return db.All(ctx, s.DB, scanFlag, `
-- name: system.Flags
SELECT `+flagColumns+` FROM flags f ORDER BY f.key`)
}

func (s *System) flagRoutes() []httpx.Route {
	manage := httpx.Needs("system:manage")
	changes := []*httpx.Problem{httpx.ErrNotFound, httpx.ErrPreconditionFailed}
	return []httpx.Route{
		{
			Pattern: "GET /system/flags", Access: httpx.Recognised(), Rate: httpx.RateRead,
			Summary:   "The feature flags as they are for the caller, all at once",
			Responses: []httpx.Response{{Status: http.StatusOK, Body: httpx.List[FlagState]{}}},
			Handler:   s.listFlags,
		},
		{
			Pattern: "GET /system/flags/{key}", Access: manage, Rate: httpx.RateRead,
			Summary:   "A feature flag and its rules",
			Responses: []httpx.Response{{Status: http.StatusOK, Body: Flag{}, Headers: []string{"ETag"}}},
			Problems:  []*httpx.Problem{httpx.ErrNotFound},
			Handler:   s.getFlag,
		},
		{
			Pattern: "PUT /system/flags/{key}", Access: manage, Rate: httpx.RateWrite, Body: flagBody, Request: FlagFields{},
			Summary: "Make or replace a feature flag", Headers: []string{"If-None-Match"},
			Responses: []httpx.Response{
				{Status: http.StatusOK, Body: Flag{}, Headers: []string{"ETag"}},
				{Status: http.StatusCreated, Body: Flag{}, Headers: []string{"ETag", "Location"}},
			},
			Problems: append(changes[1:], errFlags),
			Handler:  s.putFlag,
		},
		{
			Pattern: "DELETE /system/flags/{key}", Access: manage, Rate: httpx.RateWrite,
			Summary:   "Delete a feature flag",
			Responses: []httpx.Response{{Status: http.StatusNoContent}}, Problems: changes,
			Handler: s.deleteFlag,
		},
	}
}

// listFlags serves GET /system/flags.
func (s *System) listFlags(w http.ResponseWriter, r *http.Request) error {
	states, err := s.statesFor(r.Context(), subjectOf(r.Context(), ""))
	if err != nil {
		return err
	}
	return httpx.WriteJSON(w, http.StatusOK, httpx.List[FlagState]{Items: states})
}

// getFlag serves GET /system/flags/{key}, from the database: who is about to
// change a flag must see the newest.
func (s *System) getFlag(w http.ResponseWriter, r *http.Request) error {
	flag, err := flagByKey(r.Context(), s.DB, r.PathValue("key"))
	if err != nil {
		return err
	}
	return answerFlag(w, http.StatusOK, flag)
}

func flagByKey(ctx context.Context, q db.Querier, key string) (Flag, error) {
	return db.One(ctx, q, scanFlag, `
-- name: system.FlagByKey
SELECT `+flagColumns+` FROM flags f WHERE f.key = $1`, key)
}

func answerFlag(w http.ResponseWriter, status int, flag Flag) error {
	w.Header().Set("ETag", httpx.RevisionTag(flag.Revision))
	return httpx.WriteJSON(w, status, flag)
}

// changeFlag runs fn in a transaction that no other change of a flag runs
// beside.
func (s *System) changeFlag(r *http.Request, fn func(ctx context.Context, tx pgx.Tx, before Flag, there bool) error) error {
	ctx := r.Context()
	defer s.flags.Forget()
	return s.DB.InTx(ctx, func(tx pgx.Tx) error {
		_, err := db.Exec(ctx, tx, `
-- name: system.LockFlags
LOCK TABLE flags IN SHARE ROW EXCLUSIVE MODE`)
		if err != nil {
			return err
		}
		before, err := flagByKey(ctx, tx, r.PathValue("key"))
		there := err == nil
		if err != nil && !errors.Is(err, db.ErrNotFound) {
			return err
		}
		if there && (!httpx.IfMatch(r.Header, httpx.RevisionTag(before.Revision)) || r.Method == http.MethodPut && httpx.IfNoneMatch(r.Header, httpx.RevisionTag(before.Revision))) ||
			!there && r.Header.Get("If-Match") != "" {
			return httpx.ErrPreconditionFailed
		}
		if err := fn(ctx, tx, before, there); err != nil {
			return err
		}
		return db.Notify(ctx, tx, flagsChannel, "")
	})
}

// putFlag serves PUT /system/flags/{key}.
func (s *System) putFlag(w http.ResponseWriter, r *http.Request) error {
	in, err := httpx.ReadJSON[FlagFields](w, r)
	if err != nil {
		return err
	}
	var f httpx.Fields
	if in.check(&f); !flagKey.MatchString(r.PathValue("key")) {
		f.Add("#/key", "invalid", "A flag's key has at most 100 letters, digits, dots, - and _, and begins with a letter or digit.")
	}
	if err := f.Err(); err != nil {
		return err
	}
	var flag Flag
	status := http.StatusOK
	err = s.changeFlag(r, func(ctx context.Context, tx pgx.Tx, before Flag, there bool) error {
		action := audit.FlagUpdated
		if status = http.StatusOK; !there {
			action, status = audit.FlagCreated, http.StatusCreated
		}
		flag, err = db.One(ctx, tx, scanFlag, `
-- name: system.PutFlag
INSERT INTO flags AS f (key, description, enabled, public, rules)
SELECT $1, $2, $3, $4, $5 WHERE $6 OR (SELECT count(*) FROM flags) < $7
    ON CONFLICT (key) DO UPDATE
   SET description = $2, enabled = $3, public = $4, rules = $5, revision = f.revision + 1, updated_at = now()
RETURNING `+flagColumns, r.PathValue("key"), in.Description, in.Enabled, in.Public, in.Rules, there, flagsMost)
		if errors.Is(err, db.ErrNotFound) {
			return errFlags
		}
		if err != nil {
			return err
		}
		return s.recordFlag(ctx, tx, action, flag)
	})
	if err != nil {
		return err
	}
	if status == http.StatusCreated {
		w.Header().Set("Location", httpx.Prefix+"/system/flags/"+flag.Key)
	}
	return answerFlag(w, status, flag)
}

// deleteFlag serves DELETE /system/flags/{key}.
func (s *System) deleteFlag(w http.ResponseWriter, r *http.Request) error {
	err := s.changeFlag(r, func(ctx context.Context, tx pgx.Tx, before Flag, there bool) error {
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
	if err == nil {
		w.WriteHeader(http.StatusNoContent)
	}
	return err
}

func (s *System) recordFlag(ctx context.Context, tx pgx.Tx, action audit.Action, f Flag) error {
	return s.Audit.Record(ctx, tx, audit.Event{Action: action, Details: map[string]string{
		"key": f.Key, "enabled": strconv.FormatBool(f.Enabled), "public": strconv.FormatBool(f.Public), "rules": strconv.Itoa(len(f.Rules)),
	}})
}
