package system

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"time"

	"homebase/audit"
	"homebase/auth"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
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

var scanFlag = db.RowOf(func(f *Flag) []any {
	return []any{&f.Key, &f.Description, &f.Enabled, &f.Public, &f.Rules, &f.Revision, &f.CreatedAt, &f.UpdatedAt}
})

// readFlags reads all flags, sorted by key. They are kept in memory, so that asking for
// them costs no query.
func (s *System) readFlags(ctx context.Context) ([]Flag, error) {
	return db.All(ctx, s.DB, scanFlag, `-- name: system.Flags
SELECT `+flagColumns+` FROM flags f ORDER BY f.key`)
}

func (f Flag) ETag() string { return httpx.RevisionTag(f.Revision) }

// listFlags serves GET /system/flags.
func (s *System) listFlags(c *httpx.Call) (httpx.List[FlagState], error) {
	states, err := s.statesFor(c.Context(), c.Caller, "")
	return httpx.List[FlagState]{Items: states}, err
}

// getFlag serves GET /system/flags/{key} from the database: whoever is about to change
// a flag must see its latest state.
func (s *System) getFlag(c *httpx.Call) (Flag, error) {
	return flagByKey(c.Context(), s.DB, c.PathValue("key"))
}

func flagByKey(ctx context.Context, q db.Querier, key string) (Flag, error) {
	return db.One(ctx, q, scanFlag, `-- name: system.FlagByKey
SELECT `+flagColumns+` FROM flags f WHERE f.key = $1`, key)
}

// changeFlag runs fn in a transaction that excludes other changes of flags. If there is
// no flag yet, before is zero.
func (s *System) changeFlag(c *httpx.Call, fn func(ctx context.Context, tx pgx.Tx, before Flag) error) error {
	ctx := c.Context()
	defer s.flags.Forget()
	return s.DB.InTx(ctx, func(tx pgx.Tx) error {
		err := db.Exec(ctx, tx, `-- name: system.LockFlags
LOCK TABLE flags IN SHARE ROW EXCLUSIVE MODE`)
		if err != nil {
			return err
		}
		before, err := flagByKey(ctx, tx, c.PathValue("key"))
		var tags []string // none where there is no flag
		if err == nil {
			tags = []string{before.ETag()}
		} else if !errors.Is(err, db.ErrNotFound) {
			return err
		}
		if !httpx.IfMatch(c.Header, tags...) || c.Method == http.MethodPut && httpx.IfNoneMatch(c.Header, tags...) {
			return httpx.ErrPreconditionFailed
		}
		if err := fn(ctx, tx, before); err != nil {
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
	err = s.changeFlag(c, func(ctx context.Context, tx pgx.Tx, before Flag) error {
		action := audit.FlagUpdated
		if created = before.Key == ""; created {
			action = audit.FlagCreated
		}
		flag, err = db.One(ctx, tx, scanFlag, `-- name: system.PutFlag
INSERT INTO flags AS f (key, description, enabled, public, rules)
SELECT $1, $2, $3, $4, $5 WHERE $6 OR (SELECT count(*) FROM flags) < $7
    ON CONFLICT (key) DO UPDATE
   SET description = $2, enabled = $3, public = $4, rules = $5, revision = f.revision + 1, updated_at = now()
RETURNING `+flagColumns, c.PathValue("key"), in.Description, in.Enabled, in.Public, in.Rules, !created, flagsMost)
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
	return s.changeFlag(c, func(ctx context.Context, tx pgx.Tx, before Flag) error {
		if before.Key == "" {
			return db.ErrNotFound
		}
		err := db.Exec(ctx, tx, `-- name: system.DeleteFlag
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

// Rule says for whom a flag is on: for whoever matches everything that it names.
type Rule struct {
	Roles []string    `json:"roles,omitempty"` // one of these
	Users []uuid.UUID `json:"users,omitempty"` // one of these
	// Percentage of all users, or of the targeting keys of strangers, from 0 to
	// 100. Whoever is included stays so while it grows.
	Percentage *float64 `json:"percentage,omitempty"`
}

// FlagState is a flag as it is for one caller.
type FlagState struct {
	Key     string `json:"key"`
	Enabled bool   `json:"enabled"`

	reason string // of OpenFeature
}

// statesFor are all flags that the caller may see, sorted by key. Percentages are
// counted by the user's id. targetingKey counts only for a stranger, nil, so that
// nobody can ask as somebody else; a stranger without one is in no percentage.
func (s *System) statesFor(ctx context.Context, who *httpx.Caller, targetingKey string) ([]FlagState, error) {
	id := ""
	if who != nil {
		id = "user " + who.UserID.String()
	} else if targetingKey != "" {
		id = "key " + targetingKey
	}
	all, err := s.flags.Get(ctx)
	states := []FlagState{}
	for _, flag := range all {
		if flag.Public || who != nil {
			states = append(states, flag.stateFor(who, id))
		}
	}
	return states, err
}

// stateFor evaluates the flag. The reasons are OpenFeature's.
func (f *Flag) stateFor(who *httpx.Caller, id string) FlagState {
	switch {
	case !f.Enabled:
		return FlagState{f.Key, false, "DISABLED"}
	case len(f.Rules) == 0:
		return FlagState{f.Key, true, "STATIC"}
	}
	for _, rule := range f.Rules {
		if rule.matches(f.Key, who, id) {
			if rule.Percentage != nil {
				return FlagState{f.Key, true, "SPLIT"}
			}
			return FlagState{f.Key, true, "TARGETING_MATCH"}
		}
	}
	return FlagState{f.Key, false, "DEFAULT"}
}

func (r *Rule) matches(key string, who *httpx.Caller, id string) bool {
	if len(r.Roles) > 0 && (who == nil || !auth.Admits(r.Roles, who.Roles)) {
		return false
	}
	if len(r.Users) > 0 && (who == nil || !slices.Contains(r.Users, who.UserID)) {
		return false
	}
	return r.Percentage == nil || id != "" && share(key, id) < *r.Percentage/100
}

// share is the subject's fixed position in a flag's percentages, from 0 to just below
// 1. Each flag has a different order, so that it is not always the same people who
// try what is new.
func share(key, id string) float64 {
	sum := sha256.Sum256([]byte(key + "\x00" + id))
	return float64(binary.BigEndian.Uint64(sum[:8])>>11) / (math.MaxUint64>>11 + 1)
}

// The OpenFeature Remote Evaluation Protocol, 0.1 to 0.3: any OpenFeature SDK can read
// the flags with the base URL …/api/v1/system/flags. A refusal is a problem document
// with the members of the protocol added.

// ofrepRequest is the body of both operations. context is what the SDK knows about its
// user; only a stranger's targetingKey matters here.
type ofrepRequest struct {
	Context map[string]json.RawMessage `json:"context,omitempty"`
}

// ofrepFlag is a flag as SDKs read it.
type ofrepFlag struct {
	Key     string `json:"key"`
	Value   bool   `json:"value"`
	Variant string `json:"variant"` // "on" or "off"
	Reason  string `json:"reason"`
}

// ofrepFlags is the answer for all flags at once.
type ofrepFlags struct {
	Flags []ofrepFlag `json:"flags"`
}

var errContext = httpx.NewProblem(400, "invalid_context", "The evaluation context is not valid")

// ofrepFailure adds what SDKs look for to a problem.
func ofrepFailure(r *http.Request, p *httpx.Problem, code string) error {
	c := *p
	c.Members = map[string]string{"key": r.PathValue("key"), "errorCode": code, "errorDetails": p.Detail}
	return &c
}

// ofrepFlagsFor reads for whom the flags are asked, and evaluates them.
func (s *System) ofrepFlagsFor(r *http.Request) ([]ofrepFlag, error) {
	in, err := httpx.ReadJSON[ofrepRequest](r)
	problem, _ := errors.AsType[*httpx.Problem](err)
	var key *string
	switch given := in.Context["targetingKey"]; {
	case problem != nil && problem.Status == http.StatusBadRequest:
		return nil, ofrepFailure(r, problem, "PARSE_ERROR")
	case problem != nil && problem.Status == http.StatusUnprocessableEntity:
		return nil, ofrepFailure(r, errContext.With("context must be an object, of at most 1000 attributes.").Because(err), "INVALID_CONTEXT")
	case err != nil:
		return nil, err
	case given != nil && json.Unmarshal(given, &key) != nil:
		return nil, ofrepFailure(r, errContext.With("targetingKey must be a string."), "INVALID_CONTEXT")
	}
	states, err := s.statesFor(r.Context(), httpx.CallerOf(r.Context()), *cmp.Or(key, new("")))
	flags := make([]ofrepFlag, len(states))
	for i, state := range states {
		flags[i] = ofrepFlag{state.Key, state.Enabled, "off", state.reason}
		if state.Enabled {
			flags[i].Variant = "on"
		}
	}
	return flags, err
}

// evaluateFlag serves POST …/ofrep/v1/evaluate/flags/{key}.
func (s *System) evaluateFlag(w http.ResponseWriter, r *http.Request) error {
	flags, err := s.ofrepFlagsFor(r)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(flags, func(flag ofrepFlag) bool { return flag.Key == r.PathValue("key") })
	if i < 0 {
		return ofrepFailure(r, httpx.ErrNotFound.With("There is no such flag."), "FLAG_NOT_FOUND")
	}
	return httpx.WriteJSON(w, http.StatusOK, flags[i])
}

// evaluateFlags serves POST …/ofrep/v1/evaluate/flags. Clients poll it, so the answer
// has a tag, a hash of it.
func (s *System) evaluateFlags(w http.ResponseWriter, r *http.Request) error {
	flags, err := s.ofrepFlagsFor(r)
	if err != nil {
		return err
	}
	answer := ofrepFlags{Flags: flags}
	text, err := httpx.EncodeJSON(answer)
	if err != nil {
		return err
	}
	tag := httpx.ContentTag(text)
	w.Header().Set("ETag", tag)
	if httpx.IfNoneMatch(r.Header, tag) {
		w.WriteHeader(http.StatusNotModified)
		return nil
	}
	return httpx.WriteJSON(w, http.StatusOK, answer)
}
