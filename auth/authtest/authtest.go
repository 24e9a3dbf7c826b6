// Package authtest boots a worker for tests: a database of the test's own,
// audit, auth, and a server with the routes of the room under test beside
// those of auth. Nothing in it is a substitute; users sign in as they do
// everywhere. Only tests import it.
package authtest

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"homebase/audit"
	"homebase/auth"
	"homebase/auth/internal/hashcost"
	"homebase/db"
	"homebase/db/dbtest"
	"homebase/httpx"
	"homebase/httpx/httpxtest"

	"github.com/jackc/pgx/v5"
)

// Password is what every user of User signs in with.
const Password = "ten green bottles on a wall"

// PublicURL is the address that the server thinks it has: the issuer of its
// tokens.
const PublicURL = "http://127.0.0.1"

// RealCost makes a worker hash at the cost that the server hashes at.
func RealCost(c *auth.Config) { c.HashCost = hashcost.Standard }

// Keys are the derived keys of all test workers.
func Keys(purpose string) [][]byte {
	key, err := hkdf.Key(sha256.New, []byte("the secret of all test workers.."), nil, purpose, 32)
	if err != nil {
		panic(err)
	}
	return [][]byte{key}
}

// Env is a running worker. Its URL and Client come from the server.
type Env struct {
	*httpxtest.Server
	DB    *db.DB
	Audit *audit.Log
	Auth  *auth.Auth
	// Check becomes the server's: rooms may set it.
	Check func(*httpxtest.Answer) []string

	routes    []httpx.Route
	url       string // of the database
	rooms     func(e *Env) []httpx.Route
	configure []func(*auth.Config)
}

// Start boots a worker on a new database. rooms, which may be nil, makes the
// rooms under test from e.DB, e.Audit and e.Auth and returns their routes.
// configure changes what auth is made with.
func Start(t testing.TB, rooms func(e *Env) []httpx.Route, configure ...func(*auth.Config)) *Env {
	t.Helper()
	return start(t, &Env{url: create(t), rooms: rooms, configure: configure})
}

// StartWatched is Start for tests that count or hold what the rooms ask the
// database.
func StartWatched(t testing.TB, rooms func(e *Env) []httpx.Route, configure ...func(*auth.Config)) (*Env, *dbtest.Statements) {
	t.Helper()
	url, statements := dbtest.Watch(t, create(t))
	return start(t, &Env{url: url, rooms: rooms, configure: configure}), statements
}

// create makes the worker's database, in which the audit log has its months:
// four new tables in each would cost more than all that a test does.
func create(t testing.TB) string {
	t.Helper()
	return dbtest.CreateAfter(t, "_audit", func(ctx context.Context, d *db.DB) error {
		return audit.New(d, slog.New(slog.DiscardHandler), Keys).Start(ctx)
	})
}

// Worker boots a second worker on the same database, with rooms of its own.
// configure changes more of what auth is made with.
func (e *Env) Worker(t testing.TB, configure ...func(*auth.Config)) *Env {
	t.Helper()
	return start(t, &Env{url: e.url, rooms: e.rooms, configure: slices.Concat(e.configure, configure)})
}

func start(t testing.TB, e *Env) *Env {
	t.Helper()
	e.DB = dbtest.Open(t, e.url)
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	e.Audit = audit.New(e.DB, log, Keys)
	cfg := auth.Config{DB: e.DB, Audit: e.Audit, Log: log, PublicURL: PublicURL, Keys: Keys, HashCost: hashcost.OfTests,
		PasskeyDomain: PasskeyDomain, PasskeyOrigins: []string{PasskeyOrigin, "https://files." + PasskeyDomain}}
	for _, change := range e.configure {
		change(&cfg)
	}
	e.Auth = auth.New(cfg)

	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	for _, start := range []func(context.Context) error{e.Audit.Start, e.Auth.Start} {
		if err := start(ctx); err != nil {
			t.Fatalf("start: %v", err)
		}
	}
	e.routes = e.Auth.Routes()
	if e.rooms != nil {
		e.routes = append(e.routes, e.rooms(e)...)
	}
	running.Go(func() { e.Audit.Run(ctx) })
	running.Go(func() { e.DB.Listener().Run(ctx) })
	e.Server = httpxtest.Start(t, httpx.Config{PublicURL: PublicURL, Log: cfg.Log, Authenticate: e.Auth.Authenticate, Recheck: e.Auth.Recheck, Afresh: e.Auth.Afresh}, e.routes)
	e.Server.Check = e.Check
	for !e.DB.Listener().Fresh() {
		if t.Context().Err() != nil {
			t.Fatal("the listener did not begin")
		}
		time.Sleep(5 * time.Millisecond)
	}
	return e
}

// Operator returns a client whose requests are the operator's, as those of
// `homebase api` are: no socket carries them.
func (e *Env) Operator(t testing.TB) *httpxtest.Client {
	t.Helper()
	server, err := httpx.New(httpx.Config{PublicURL: PublicURL, Operator: e.Auth.Operator(), Recheck: e.Auth.Recheck, Afresh: e.Auth.Afresh}, e.routes)
	if err != nil {
		t.Fatal(err)
	}
	c := e.Client(t)
	c.HTTP.Transport = inProcess{server}
	return c
}

type inProcess struct{ http.Handler }

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	sent := r.Clone(r.Context())
	if sent.Body == nil {
		sent.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, sent)
	answer := w.Result()
	answer.Request = r
	return answer, nil
}

// hash is made once a process: hashing is meant to be slow.
var hash struct {
	sync.Mutex
	phc string
}

// User makes a user with a role, "admin", "member" or one that the test made,
// and the password Password.
func (e *Env) User(t testing.TB, email, role string) auth.User {
	t.Helper()
	hash.Lock()
	defer hash.Unlock()
	var err error
	if hash.phc == "" {
		if hash.phc, err = e.Auth.HashPassword(t.Context(), email, Password); err != nil {
			t.Fatalf("hash the password: %v", err)
		}
	}
	var u auth.User
	err = e.DB.InTx(t.Context(), func(tx pgx.Tx) error {
		u, err = e.Auth.CreateUser(t.Context(), tx, auth.NewUser{Email: email, PasswordHash: hash.phc, Roles: []string{role}})
		return err
	})
	if err != nil {
		t.Fatalf("make the user %s: %v", email, err)
	}
	return u
}

// SignIn signs a user of User in, in mode token, and returns a client that
// carries the access token.
func (e *Env) SignIn(t testing.TB, email string) *httpxtest.Client {
	t.Helper()
	return e.Client(t).As(e.Grant(t, email).AccessToken)
}

// Grant signs a user of User in, in mode token, and returns the whole answer.
func (e *Env) Grant(t testing.TB, email string) auth.Grant {
	t.Helper()
	var g auth.Grant
	e.Client(t).Do("POST", "/auth/login", map[string]string{"email": email, "password": Password, "mode": "token"}).
		Want(t, 200).JSON(t, &g)
	return g
}

// Mails are the subjects and texts that wait for an address, the oldest first.
func (e *Env) Mails(t testing.TB, email string) []string {
	t.Helper()
	sealer := auth.NewSealer(Keys, "mail")
	list, err := db.All(t.Context(), e.DB, func(row pgx.Row) (string, error) {
		var id, subject string
		var body []byte
		if err := row.Scan(&id, &subject, &body); err != nil {
			return "", err
		}
		text, err := sealer.Open(body, id)
		return subject + "\n" + string(text), err
	}, `SELECT id::text, subject, body FROM mail_outbox WHERE recipient = $1 ORDER BY id`, email)
	if err != nil {
		t.Fatal(err)
	}
	return list
}
