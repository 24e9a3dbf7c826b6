package system_test

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"homebase/auth/authtest"
	"homebase/db"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
	"homebase/system"

	"github.com/jackc/pgx/v5"
)

type object = map[string]any

// room is a worker with the platform's controls, and a client of its admin.
type room struct {
	*authtest.Env
	sys   *system.System
	admin *httpxtest.Client
}

func start(t testing.TB, change ...func(*system.Setup)) *room {
	t.Helper()
	rm := &room{}
	rm.Env = authtest.Start(t, func(e *authtest.Env) []httpx.Route {
		setup := system.Setup{Version: "test", Log: slog.New(slog.DiscardHandler), DB: e.DB, Audit: e.Audit, Keys: authtest.Keys,
			Untaken:        func(context.Context, func(path, why string)) error { return nil },
			PasskeyDomains: func(context.Context) (map[string]int, error) { return nil, nil },
			GuardedHosts:   func(context.Context) ([]string, error) { return nil, nil }}
		for _, fn := range change {
			fn(&setup)
		}
		rm.sys = system.New(setup)
		return rm.sys.Routes()
	})
	rm.User(t, "admin@example.com", "admin")
	rm.admin = rm.SignIn(t, "admin@example.com")
	return rm
}

// worker is a second worker on the same database.
func (rm *room) worker(t testing.TB) *room {
	t.Helper()
	first := rm.sys
	other := &room{Env: rm.Env.Worker(t)} // which makes rm.sys anew
	other.sys, rm.sys = rm.sys, first
	other.admin = other.Client(t).As(rm.admin.Bearer)
	return other
}

// actions are those of all audit events so far.
func (rm *room) actions(t testing.TB) []string {
	t.Helper()
	list, err := db.All(t.Context(), rm.DB, func(row pgx.Row) (s string, err error) { err = row.Scan(&s); return s, err },
		`SELECT action || ' ' || details::text FROM audit_events WHERE action !~ '^(auth|user|role)\.' ORDER BY at, id`)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// await waits for what comes with a notification.
func await(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// flagsOf are the keys of the flags that are on and off for a caller.
func flagsOf(t testing.TB, c *httpxtest.Client) (on, off []string) {
	t.Helper()
	var page httpx.List[system.FlagState]
	c.Do("GET", "/system/flags", nil).Want(t, 200).JSON(t, &page)
	for _, f := range page.Items {
		if f.Enabled {
			on = append(on, f.Key)
		} else {
			off = append(off, f.Key)
		}
	}
	slices.Sort(on)
	return on, off
}
