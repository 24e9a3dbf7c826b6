package auth

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"homebase/audit"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// What the OpenID provider and the gate, which are rooms of their own, share with
// this one, besides Sign. Their statements join sessions as s and users as u, so
// that what ends a session or disables a user ends every program's access in the
// same moment, on every worker, without a cache in between.
const (
	// LivingSession is the SQL condition under which a session s of a user u is one.
	LivingSession = living
	// RolesOfUser is the SQL of the names of a user u's roles, as a sorted array.
	RolesOfUser = rolesHeld
)

// Recorded runs fn in a transaction, in which the event that fn answers is
// recorded too.
func Recorded(ctx context.Context, d *db.DB, log *audit.Log, fn func(tx pgx.Tx) (audit.Event, error)) error {
	return d.InTx(ctx, func(tx pgx.Tx) error {
		event, err := fn(tx)
		if err != nil {
			return err
		}
		return log.Record(ctx, tx, event)
	})
}

// NoRow is err, or none where err says that there was no row.
func NoRow(err, none error) error {
	if errors.Is(err, db.ErrNotFound) {
		return none
	}
	return err
}

const programNameMost = 100 // characters

// CheckProgram adds to f what is wrong with the name of a program and with the
// roles that are let into it. A role that is deleted later is nobody's.
func CheckProgram(ctx context.Context, q db.Querier, f *httpx.Fields, name string, roles []string) error {
	if strings.TrimSpace(name) == "" || utf8.RuneCountInString(name) > programNameMost {
		f.Add("#/name", "invalid", "Give the program a name of at most 100 characters; people read it.")
	}
	there, err := db.All(ctx, q, db.Value[string], `
-- name: auth.RolesThere
SELECT name FROM roles WHERE name = ANY($1)`, roles)
	for i, role := range roles {
		if !slices.Contains(there, role) {
			f.Add(fmt.Sprintf("#/roles/%d", i), "role_missing", "There is no such role.")
		}
	}
	return err
}

// Admits reports whether somebody with the roles held is let into a program that
// asks for some; for none: everybody.
func Admits(asked, held []string) bool {
	return len(asked) == 0 || slices.ContainsFunc(asked, func(role string) bool { return slices.Contains(held, role) })
}

// CountWrong counts a wrong try at a secret that was made here and is too long
// to be guessed, such as a program's: by kind and account for each network
// apart, and by the client's address. While it has to wait the error is 429.
// Whoever has the right secret is not asked, so no stranger can lock a program
// out.
func (pw *passwords) CountWrong(r *http.Request, kind, account string) error {
	_, err := pw.guesses.countShared(r, kind, account)
	return err
}

// Visitor says who a living session is of, with the roles of today, and notes
// that it was used. It costs no query while the cache knows the session.
// ErrUnauthenticated.
func (cl *callers) Visitor(ctx context.Context, session uuid.UUID) (*httpx.Caller, error) {
	c, err := cl.Recheck(ctx, &httpx.Caller{SessionID: session})
	if err == nil {
		cl.cache.touch(session, time.Now(), 0)
	}
	return c, err
}

// Person is a user by id, from the cache while nothing has changed.
func (cl *callers) Person(ctx context.Context, id uuid.UUID) (User, error) {
	me, err := cl.loadMe(ctx, id)
	return me.User, err
}
