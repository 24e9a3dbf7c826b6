package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// account is one user, or a space of two, with several clients.
type account struct {
	email     string
	with      string    // who else writes there, so that it is a space; "" is a user's own tree
	withID    string    // their id
	withToken string    // and their token
	id        string    // the owner of the tree
	token     string    // of the first, or only, person
	signed    time.Time // when the tokens were issued
	clients   []*client
	box       string // a folder that everybody renames
	answers   *tally
}

// accounts gives users clients that have a folder of their own.
func (r *rig) accounts(users, clients int) (list []*account) {
	r.t.Helper()
	for u := range users {
		a := &account{email: email(u), answers: &r.answers}
		if u == 3 {
			a.with = email(7)
		}
		r.signIn(a)
		for i := range clients {
			c := &client{name: fmt.Sprintf("c%d", u*clients+i), owner: a, nodes: model{}}
			c.folder = r.makeFolder(a, "/"+c.name)
			a.clients = append(a.clients, c)
		}
		a.box = r.makeFolder(a, "/shared/box0")
		list = append(list, a)
	}
	return list
}

// signIn gets a token where there is none, or an old one.
func (r *rig) signIn(a *account) {
	r.t.Helper()
	if time.Since(a.signed) < 4*time.Minute {
		return
	}
	login := func(email string) string {
		var grant struct {
			Token string `json:"access_token"`
		}
		body := map[string]string{"email": email, "password": password, "mode": "token"}
		await(r.t, email+" is signed in", func() bool {
			status, code, sure := request(r.t.Context(), r.servers[0], "", "POST", "/auth/login", body, &grant)
			if sure && status != 200 && status != http.StatusServiceUnavailable {
				r.t.Fatalf("sign in: %d %s", status, code)
			}
			return sure && status == 200
		})
		return grant.Token
	}
	a.token, a.signed = login(a.email), time.Now()
	if a.id == "" {
		r.ask(func(conn *pgx.Conn) error {
			return conn.QueryRow(r.t.Context(), "SELECT (SELECT id::text FROM users WHERE email = $1), coalesce((SELECT id::text FROM users WHERE email = $2), '')", a.email, a.with).
				Scan(&a.id, &a.withID)
		})
		if a.with != "" {
			a.id = r.makeSpace(a.email, a.with)
		}
	}
	if a.with != "" {
		a.withToken = login(a.with)
	}
}

// makeSpace makes a space of a manager and an editor.
func (r *rig) makeSpace(people ...string) (id string) {
	r.t.Helper()
	r.ask(func(conn *pgx.Conn) error {
		return conn.QueryRow(r.t.Context(), `
			WITH owner AS (INSERT INTO owners (id) VALUES (overlay(gen_random_uuid()::text PLACING '8' FROM 15)::uuid) RETURNING id),
			     tree AS (INSERT INTO trees (owner_id, root_id, feed_epoch) SELECT id, gen_random_uuid(), gen_random_uuid() FROM owner),
			     space AS (INSERT INTO spaces (id, name) SELECT id, 'two' FROM owner),
			     member AS (INSERT INTO space_members (space_id, user_id, role) SELECT o.id, u.id, CASE WHEN u.email = ($1::text[])[1] THEN 'manager' ELSE 'editor' END FROM owner o, users u WHERE u.email = ANY ($1::text[]))
			SELECT id::text FROM owner, pg_notify('files_members', '')`, people).Scan(&id)
	})
	return id
}

// ask sends a request of the account's: in a space it is the second person's
// at the second server, and names the space where the path names no item.
func (a *account) ask(ctx context.Context, s *server, method, path string, body any, out any) (status int, code string, sure bool) {
	if a.with == "" {
		return request(ctx, s, a.token, method, path, body, out)
	}
	token := a.token
	if s.second() {
		token = a.withToken
	}
	at, query, _ := strings.Cut(path, "?")
	if strings.HasPrefix(at, "/files/content/") || at == "/files/folders" || at == "/files/trash" || at == "/files/lookup" {
		path = at + "?space=" + a.id
		if query != "" {
			path += "&" + query
		}
	}
	return request(ctx, s, token, method, path, body, out)
}

// ownersOf are the accounts by the id of their tree.
func ownersOf(accounts []*account) map[string]*account {
	owners := map[string]*account{}
	for _, a := range accounts {
		owners[a.id] = a
	}
	return owners
}

// contend changes what others change at the same time, through both servers.
// Whoever wins: bytes and rows must agree in the end.
func (a *account) contend(ctx context.Context, s *server, r *rand.Rand) {
	body := bytesOf(r, "contended", 3000)
	switch r.IntN(6) {
	case 0:
		name := fmt.Sprintf("box%d", r.IntN(2))
		a.ask(ctx, s, "PATCH", "/files/items/"+a.box, map[string]string{"name": name}, nil)
	case 1:
		a.ask(ctx, s, "PUT", fmt.Sprintf("/files/content/shared/box%d/x%d", r.IntN(2), r.IntN(2)), body, nil)
	default:
		a.ask(ctx, s, "PUT", fmt.Sprintf("/files/content/shared/hot%d", r.IntN(2)), body, nil)
	}
	time.Sleep(time.Duration(5+r.IntN(25)) * time.Millisecond)
}
