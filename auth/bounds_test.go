package auth_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"homebase/auth/authtest"
	"homebase/db"
	"homebase/db/dbtest"
	"homebase/httpx/httpxtest"

	"github.com/jackc/pgx/v5"
)

// race has two clients ask for the last slot at once, while lock holds both up,
// and wants one of them to get it.
func race(t *testing.T, e *authtest.Env, lock, full string, ask func(n int) *httpxtest.Answer) {
	t.Helper()
	answers := make([]*httpxtest.Answer, 2)
	overtake(t, e, lock, func() {
		var both sync.WaitGroup
		for i := range answers {
			both.Go(func() { answers[i] = ask(i) })
		}
		both.Wait()
	}, func(pgx.Tx) error {
		for {
			// Not in the transaction, which sees no connection made since it first looked.
			waiting, err := db.One(t.Context(), e.DB, db.Value[int], `
				SELECT count(DISTINCT l.pid) FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid
				 WHERE a.datname = current_database() AND NOT l.granted`)
			if err != nil || waiting == 2 {
				return err
			}
			time.Sleep(time.Millisecond)
		}
	})
	slices.SortFunc(answers, func(a, b *httpxtest.Answer) int { return a.Status - b.Status })
	answers[0].Want(t, 201)
	answers[1].WantProblem(t, 409, full)
}

func TestKey_OfTwoAtTheLastSlotOneGetsIt(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	dbtest.Exec(t, e.DB, `INSERT INTO access_keys (id, user_id, name, hint, hash, permissions, allow, expires_at)
		SELECT gen_random_uuid(), id, 'x', 'hb_', sha256(n::text::bytea), '{}', '{}', now() FROM users, generate_series(1, 99) AS n`)
	c := e.SignIn(t, "ada@example.com")
	race(t, e, `SELECT FROM users FOR NO KEY UPDATE`, "too_many_keys", func(int) *httpxtest.Answer {
		return c.Do("POST", "/auth/keys", object{"name": "x", "permissions": []string{"files:read"}})
	})
}

func TestInvitation_AThousandWaitAtMost(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil, invite)
	e.User(t, "ada@example.com", "admin")
	c := e.SignIn(t, "ada@example.com")
	ask := func(n int) *httpxtest.Answer {
		return c.Do("POST", "/auth/invitations", object{"email": fmt.Sprintf("friend%d@example.com", n)})
	}
	dbtest.Exec(t, e.DB, `INSERT INTO one_time_tokens (id, hash, purpose, email, roles, invited_by, expires_at)
		SELECT gen_random_uuid(), sha256(n::text::bytea), 'invitation', 'x' || n || '@example.com', '{}', id, now() + interval '1 day'
		  FROM users, generate_series(1, 999) AS n`)
	race(t, e, `LOCK TABLE one_time_tokens IN SHARE ROW EXCLUSIVE MODE`, "too_many_invitations", ask)
	// One that is sent again takes the place of its own, and one that is over takes none.
	c.Do("POST", "/auth/invitations", object{"email": "X7@example.com"}).Want(t, 201)
	dbtest.Exec(t, e.DB, `UPDATE one_time_tokens SET expires_at = now() WHERE email = 'x8@example.com'`)
	ask(3).Want(t, 201)
}

func TestRole_ThereAreAThousandAtMost(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "admin")
	c := e.SignIn(t, "ada@example.com")
	dbtest.Exec(t, e.DB, `INSERT INTO roles (name, permissions) SELECT 'x' || n, '{}' FROM generate_series(1, 999 - (SELECT count(*) FROM roles)) AS n`)
	race(t, e, `LOCK TABLE roles IN SHARE ROW EXCLUSIVE MODE`, "too_many_roles", func(n int) *httpxtest.Answer {
		return c.Do("POST", "/auth/roles", object{"name": fmt.Sprintf("editor%d", n), "permissions": []string{}})
	})
}

// What nobody reads or uses any more gives way to what is new.
func TestAccount_OldNoticesAndEndedSessionsAreBounded(t *testing.T) {
	t.Parallel()
	e := authtest.Start(t, nil)
	e.User(t, "ada@example.com", "member")
	g := e.Grant(t, "ada@example.com")
	dbtest.Exec(t, e.DB, `INSERT INTO notices (id, user_id, kind) SELECT ('00000000-0000-7000-8000-' || lpad(n::text, 12, '0'))::uuid, id, 'x' FROM users, generate_series(1, 150) AS n`)
	dbtest.Exec(t, e.DB, `INSERT INTO sessions (id, user_id, rt_key, user_agent, idle_until, absolute_until, revoked_at, revoked_reason)
		SELECT gen_random_uuid(), id, sha256(''), '', now(), now(), now() - n * interval '1 minute', 'x' FROM users, generate_series(1, 1100) AS n`)
	second := exchange(t, e, g.RefreshToken, 200)
	exchange(t, e, second.RefreshToken, 200)
	exchange(t, e, g.RefreshToken, 401)
	if got := query(t, e.DB, `SELECT count(*) || ' ' || count(*) FILTER (WHERE kind = 'refresh_reuse') FROM notices`)[0]; got != "100 1" {
		t.Errorf("notices: %s", got)
	}
	e.Grant(t, "ada@example.com")
	if got := query(t, e.DB, `SELECT count(*) || ' ' || count(*) FILTER (WHERE revoked_reason <> 'x') FROM sessions WHERE revoked_at IS NOT NULL`)[0]; got != "1000 1" {
		t.Errorf("ended sessions: %s", got)
	}
}
