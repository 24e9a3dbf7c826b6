package projects_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/cli"
	"homebase/db"
	"homebase/db/dbtest"
	"homebase/files"
	"homebase/httpx"
	"homebase/projects"
	"homebase/projects/example"
	"homebase/projects/projectstest"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// trial is an app whose handlers and jobs a test gives. It goes by the name
// of the example, for which the tests' cluster has a role.
func trial(change func(h *projects.Host, a *projects.App)) projects.Mount {
	return func(h *projects.Host) projects.App {
		a := projects.App{
			Name: "example", Description: "For a test", Permissions: []auth.Permission{{Name: "projects.example:read", Description: "Read."}},
			Schema: "-- step 1: things\nCREATE TABLE things (n int);\nCREATE UNLOGGED TABLE passing (n int);",
		}
		change(h, &a)
		return a
	}
}

// answers is a public GET route that answers 204 after fn.
func answers(path string, fn func(ctx context.Context) error) httpx.Route {
	return httpx.Route{Pattern: "GET " + path, Access: httpx.Public(), Rate: httpx.RateRead, Summary: "For a test",
		Responses: []httpx.Response{{Status: http.StatusNoContent}},
		Handler: func(w http.ResponseWriter, r *http.Request) error {
			if err := fn(r.Context()); err != nil {
				return err
			}
			w.WriteHeader(http.StatusNoContent)
			return nil
		}}
}

func TestApp_TurnedOffIs404OnEveryWorkerAndKeepsItsData(t *testing.T) {
	t.Parallel()
	e := projectstest.Start(t, nil, example.App)
	other := e.Worker(t).Client(t).As(e.Owner.Bearer)
	var item example.Item
	e.Owner.Do("POST", "/projects/example/items", example.NewItem{Text: "kept"}).Want(t, 201).JSON(t, &item)
	path := "/projects/example/items/" + item.ID.String()
	other.Do("GET", path, nil).Want(t, 200)

	var info projects.Info
	e.Owner.Do("PATCH", "/projects/example", map[string]bool{"enabled": false}).Want(t, 200).JSON(t, &info)
	if info.Enabled {
		t.Errorf("the answer is %+v", info)
	}
	e.Owner.Do("GET", path, nil).WantProblem(t, 404, "not_found")
	dbtest.Within(t, "the other worker turned it off", func() bool { return other.Do("GET", path, nil).Status == 404 })

	e.Owner.Do("PATCH", "/projects/example", map[string]bool{"enabled": true}).Want(t, 200)
	e.Owner.Do("PATCH", "/projects/example", map[string]any{}).Want(t, 200) // changes nothing
	e.Owner.Do("GET", path, nil).Want(t, 200)
	dbtest.Within(t, "the other worker turned it on", func() bool { return other.Do("GET", path, nil).Status == 200 })

	e.Owner.Do("PATCH", "/projects/nothing", map[string]bool{"enabled": true}).WantProblem(t, 404, "not_found")
	actions, err := db.All(t.Context(), e.DB, db.Value[string], `SELECT action || ' ' || details::text FROM audit_events WHERE action LIKE 'app.%' ORDER BY at`)
	if err != nil {
		t.Fatal(err)
	}
	if len(actions) != 3 || !strings.HasPrefix(actions[0], "app.act") || !strings.Contains(actions[0], `"act": "created"`) ||
		!strings.HasPrefix(actions[1], "app.disabled") || !strings.HasPrefix(actions[2], "app.enabled") {
		t.Errorf("recorded was %q", actions)
	}
}

func TestApp_JobsRestWhileItIsTurnedOff(t *testing.T) {
	t.Parallel()
	var runs atomic.Int32
	e := projectstest.Start(t, nil, trial(func(_ *projects.Host, a *projects.App) {
		a.Jobs = []db.Job{{Name: "count", Every: time.Hour, Run: func(context.Context) error { runs.Add(1); return nil }}}
	}))
	e.RunJob(t, "projects.example.count")
	e.Owner.Do("PATCH", "/projects/example", map[string]bool{"enabled": false}).Want(t, 200)
	e.RunJob(t, "projects.example.count")
	if n := runs.Load(); n != 1 {
		t.Errorf("the job ran %d times", n)
	}
}

func TestProjects_ListsWhatTheCallerMayUse(t *testing.T) {
	t.Parallel()
	e := projectstest.Start(t, nil, example.App)
	e.Owner.Do("POST", "/auth/roles", map[string]any{"name": "reader", "permissions": []string{example.Read}}).Want(t, 201)
	e.User(t, "reader@example.com", "reader")
	e.User(t, "member@example.com", "member")
	listed := func(email string) []projects.Info {
		t.Helper()
		var list httpx.List[projects.Info]
		e.SignIn(t, email).Do("GET", "/projects", nil).Want(t, 200).JSON(t, &list)
		return list.Items
	}
	if got := listed("reader@example.com"); len(got) != 1 || !slices.Equal(got[0].Permissions, []string{example.Read}) {
		t.Errorf("who may read sees %+v", got)
	}
	if got := listed("member@example.com"); len(got) != 0 {
		t.Errorf("who may not sees %+v", got)
	}
	e.SignIn(t, "reader@example.com").Do("PATCH", "/projects/example", map[string]bool{"enabled": false}).WantProblem(t, 403, "forbidden")
	e.Owner.Do("PATCH", "/projects/example", map[string]bool{"enabled": false}).Want(t, 200)
	if got := listed("reader@example.com"); len(got) != 0 {
		t.Errorf("who may read sees an app that is off: %+v", got)
	}
	if got := listed("owner@example.com"); len(got) != 1 || got[0].Enabled {
		t.Errorf("who manages the system sees %+v", got)
	}
}

func TestApp_HasNoRightsOutsideItsSchema(t *testing.T) {
	t.Parallel()
	var host *projects.Host
	e := projectstest.Start(t, nil, trial(func(h *projects.Host, _ *projects.App) { host = h }))
	try := func(sql string) error {
		return host.InTx(t.Context(), func(tx *projects.Tx) error { return db.Exec(t.Context(), tx, sql) })
	}
	user, err := db.One(t.Context(), e.DB, db.Value[string], `SELECT current_user::text`)
	if err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"INSERT INTO things VALUES (1)", "UPDATE things SET n = 2", "TRUNCATE things"} {
		if err := try(sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if try("SELECT id FROM users") == nil {
		t.Error("the search path leads out of the app's schema")
	}
	if user == "homebase_runtime" { // else the server has no roles
		for _, sql := range []string{"SELECT id FROM public.users", "DELETE FROM public.audit_events", "CREATE TABLE public.mine (n int)"} {
			if err := try(sql); err == nil || !strings.Contains(err.Error(), "42501") {
				t.Errorf("%s: %v", sql, err)
			}
		}
	}
	// What follows on the same connections works as before.
	if again, err := db.One(t.Context(), e.DB, db.Value[string], `SELECT current_user || current_setting('search_path')`); err != nil || again != user+`"$user", public` {
		t.Errorf("afterwards the pool works as %q, %v", again, err)
	}
}

func TestApp_MayNameAConstraintLikeOneOfThePlatforms(t *testing.T) {
	t.Parallel()
	var host *projects.Host
	projectstest.Start(t, nil, trial(func(h *projects.Host, a *projects.App) {
		host = h
		a.Schema = "-- step 1: things\nCREATE TABLE things (n int CONSTRAINT users_email_key UNIQUE CONSTRAINT one_time_tokens_hash_key CHECK (n < 5));\nINSERT INTO things VALUES (1);"
	}))
	for sql, want := range map[string]db.Error{
		`INSERT INTO things VALUES (1)`: {Kind: db.Conflict, Constraint: "users_email_key"},
		`INSERT INTO things VALUES (5)`: {Kind: db.Invalid, Constraint: "one_time_tokens_hash_key"}, // in the platform's table a defect
	} {
		err := host.InTx(t.Context(), func(tx *projects.Tx) error { return db.Exec(t.Context(), tx, sql) })
		if e, ok := errors.AsType[*db.Error](err); !ok || e.Kind != want.Kind || e.Constraint != want.Constraint || e.Code != "" || e.Detail != "" {
			t.Errorf("%s: %v", sql, err)
		}
	}
}

func TestApp_ThatPanicsOrBlocksLeavesTheOthersAnswering(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	var held sync.WaitGroup
	var begun atomic.Int32
	e := projectstest.Start(t, nil, trial(func(h *projects.Host, a *projects.App) {
		a.Routes = []httpx.Route{
			answers("/hold", func(ctx context.Context) error {
				return h.InTx(ctx, func(*projects.Tx) error { begun.Add(1); <-release; return nil })
			}),
			answers("/sleep", func(ctx context.Context) error {
				return h.InTx(ctx, func(tx *projects.Tx) error { return db.Exec(ctx, tx, "SELECT pg_sleep(60)") })
			}),
			answers("/panic", func(context.Context) error { panic("on purpose") }),
			answers("/fine", func(context.Context) error { return nil }),
		}
	}))
	stranger := e.Client(t)
	stranger.Do("GET", "/projects/example/panic", nil).WantProblem(t, 500, "internal")
	stranger.Do("GET", "/projects/example/fine", nil).Want(t, 204)
	stranger.Do("GET", "/projects/example/sleep", nil).WantProblem(t, 503, "busy")

	// More holders than the pool has connections.
	for range 8 {
		held.Go(func() { stranger.Do("GET", "/projects/example/hold", nil) })
	}
	defer held.Wait()
	defer close(release)
	dbtest.Within(t, "one holds", func() bool { return begun.Load() > 0 })
	stranger.Do("GET", "/projects/example/hold", nil).WantProblem(t, 503, "busy")
	for range 3 {
		e.SignIn(t, "owner@example.com").Do("GET", "/auth/sessions", nil).Want(t, 200)
	}
	if n := begun.Load(); n > 1 {
		t.Errorf("%d held a connection; a quarter of six is one", n)
	}
}

func TestApp_RunIsCalledAgainAfterAPanic(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	projectstest.Start(t, nil, trial(func(_ *projects.Host, a *projects.App) {
		a.Run = func(ctx context.Context) {
			if calls.Add(1) == 1 {
				panic("on purpose")
			}
			<-ctx.Done()
		}
	}))
	dbtest.Within(t, "Run was called again", func() bool { return calls.Load() == 2 })
}

func TestApp_ForgetsAUserWhoIsDeleted(t *testing.T) {
	t.Parallel()
	e := projectstest.Start(t, nil, example.App)
	e.Owner.Do("POST", "/projects/example/items", example.NewItem{Text: "the owner's"}).Want(t, 201)
	u := e.User(t, "other@example.com", "admin")
	e.SignIn(t, "other@example.com").Do("POST", "/projects/example/items", example.NewItem{Text: "theirs"}).Want(t, 201)
	e.Owner.Do("DELETE", "/auth/users/"+u.ID.String(), nil).Want(t, 204)
	if out := command(t, e, "app export", "example"); strings.Count(out, "\n") != 1 || !strings.Contains(out, "the owner's") {
		t.Errorf("the app keeps %s", out)
	}
}

// command runs a command of the registry.
func command(t *testing.T, e *projectstest.Env, name string, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	for _, c := range e.Projects.Commands() {
		if c.Name == name {
			if err := c.Run(t.Context(), &cli.Shell{Stdout: &out, Stderr: &out}, args); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
	}
	return out.String()
}

func TestExport_WritesEveryRowAsAJSONLineButWhatIsMadeToBeForgotten(t *testing.T) {
	t.Parallel()
	text := "quotes \" and \\ and,\ttabs\nlines \u2028 \x01\x02"
	e := projectstest.Start(t, nil, example.App)
	e.Owner.Do("POST", "/projects/example/items", example.NewItem{Text: text}).Want(t, 201)
	var line struct {
		Table string
		Row   struct{ Text string }
	}
	out := command(t, e, "app export", "example")
	if err := json.Unmarshal([]byte(out), &line); err != nil || line.Table != "items" || line.Row.Text != text {
		t.Errorf("%v: %s", err, out)
	}

	var host *projects.Host
	passing := projectstest.Start(t, nil, trial(func(h *projects.Host, _ *projects.App) { host = h }))
	err := host.InTx(t.Context(), func(tx *projects.Tx) error {
		return db.Exec(t.Context(), tx, `WITH kept AS (INSERT INTO things VALUES (7)) INSERT INTO passing VALUES (8)`)
	})
	if out := command(t, passing, "app export", "example"); err != nil || out != "{\"table\" : \"things\", \"row\" : {\"n\":7}}\n" {
		t.Errorf("%v: %s", err, out)
	}
}

func TestOperator_TurnsAppsOffAndOnAndHasNoItems(t *testing.T) {
	t.Parallel()
	e := projectstest.Start(t, nil, example.App)
	operator := e.Operator(t)
	operator.Do("GET", "/projects/example/items", nil).WantProblem(t, 401, "unauthenticated")
	operator.Do("PATCH", "/projects/example", map[string]bool{"enabled": false}).Want(t, 200)
	var list httpx.List[projects.Info]
	operator.Do("GET", "/projects", nil).Want(t, 200).JSON(t, &list)
	if len(list.Items) != 1 || list.Items[0].Name != "example" || list.Items[0].Enabled {
		t.Errorf("the apps are %+v", list.Items)
	}
	e.Owner.Do("GET", "/projects/example/items", nil).WantProblem(t, 404, "not_found")
	operator.Do("PATCH", "/projects/example", map[string]bool{"enabled": true}).Want(t, 200)
	e.Owner.Do("GET", "/projects/example/items", nil).Want(t, 200)
}

// Roles that are made late take over what is there: first the app runs
// without one, then with one.
func TestRoles_AreAskedForAndTakeOver(t *testing.T) {
	t.Parallel()
	schema := "-- step 1: things\nCREATE TABLE things (n int);"
	mount := func(h *projects.Host) projects.App {
		return projects.App{Name: "roleless", Description: "For a test", Schema: schema}
	}
	e := projectstest.Start(t, nil, mount)
	out := command(t, e, "app roles")
	if !strings.Contains(out, "CREATE ROLE app_roleless NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;\nGRANT app_roleless TO ") {
		t.Errorf("app roles prints %s", out)
	}
	if err := e.DB.InTx(t.Context(), func(tx pgx.Tx) error {
		return db.InNamespace(t.Context(), tx, "app_roleless", func() error {
			return db.Exec(t.Context(), tx, `INSERT INTO things VALUES (1)`)
		})
	}); err != nil {
		t.Errorf("without its role the app cannot work: %v", err)
	}

	// The same tables as those of an app with a role, made by another hand.
	d := dbtest.New(t)
	err := d.AsOwner(t.Context(), func(conn *pgx.Conn) error {
		_, err := conn.Exec(t.Context(), `CREATE SCHEMA app_example; CREATE TABLE app_example.things (n int)`)
		return err
	})
	if err == nil {
		err = d.MigrateIn(t.Context(), "app_example", "-- step 1: others\nCREATE TABLE others (n int);")
	}
	if err != nil {
		t.Fatal(err)
	}
	owners, err := db.All(t.Context(), d, db.Value[string], `SELECT relname || ' ' || pg_get_userbyid(relowner) FROM pg_class
		 WHERE relnamespace = 'app_example'::regnamespace AND relkind = 'r' ORDER BY 1`)
	if missing, _, _ := d.MissingRoles(t.Context(), []string{"app_example"}); len(missing) > 0 {
		return // a server without roles
	}
	if want := []string{"others app_example", "schema_steps app_example", "things app_example"}; err != nil || !slices.Equal(owners, want) {
		t.Errorf("owners are %q, %v", owners, err)
	}
}

func TestHost_OpensFilesOfTheCallerAlone(t *testing.T) {
	t.Parallel()
	read := func(h *projects.Host) httpx.Handler {
		return func(w http.ResponseWriter, r *http.Request) error {
			id, err := httpx.PathID(r, "id")
			if err != nil {
				return err
			}
			f, err := h.Open(r.Context(), id)
			if err != nil {
				return err
			}
			defer f.Close()
			w.Header().Set("Content-Type", f.MediaType)
			_, err = io.Copy(w, f)
			return err
		}
	}
	rooms := func(e *authtest.Env, cfg *projects.Config) []httpx.Route {
		f := files.New(files.Config{DB: e.DB, Audit: e.Audit, Log: slog.New(slog.DiscardHandler), DataDir: t.TempDir(), DefaultQuota: 1 << 30, Auth: e.Auth})
		if err := f.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(f.Stop)
		cfg.Open = func(ctx context.Context, id uuid.UUID) (projects.File, error) {
			c, err := f.Open(ctx, id)
			return projects.File{ReadSeekCloser: c.File, Name: c.Name, MediaType: c.MediaType, Size: c.Size}, err
		}
		return f.Routes()
	}
	e := projectstest.Start(t, rooms, trial(func(h *projects.Host, a *projects.App) {
		a.Routes = []httpx.Route{{Pattern: "GET /read/{id}", Access: httpx.Needs("projects.example:read"), Rate: httpx.RateRead, Summary: "For a test",
			Responses: []httpx.Response{{Status: http.StatusOK, Type: "*/*"}}, Handler: read(h)}}
	}))
	var item struct {
		ID string `json:"id"`
	}
	e.Owner.Do("PUT", "/files/content/documents/note.txt", "my words").Want(t, 201).JSON(t, &item)
	if got := string(e.Owner.Do("GET", "/projects/example/read/"+item.ID, nil).Want(t, 200).Body); got != "my words" {
		t.Errorf("the app read %q", got)
	}
	e.User(t, "other@example.com", "admin")
	e.SignIn(t, "other@example.com").Do("GET", "/projects/example/read/"+item.ID, nil).WantProblem(t, 404, "not_found")
	e.Owner.Do("POST", "/auth/roles", map[string]any{"name": "reader", "permissions": []string{"projects.example:read"}}).Want(t, 201)
	e.User(t, "reader@example.com", "reader")
	e.SignIn(t, "reader@example.com").Do("GET", "/projects/example/read/"+item.ID, nil).WantProblem(t, 403, "forbidden")
}

func TestMigrate_RefusesAnAppThatIsNotAsItMustBe(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	for fault, change := range map[string]func(*projects.App){
		"a name":         func(a *projects.App) { a.Name = "two-words" },
		"description":    func(a *projects.App) { a.Description = "" },
		"does not begin": func(a *projects.App) { a.Permissions[0].Name = "files:read" },
		"no sentence":    func(a *projects.App) { a.Permissions[0].Description = "" },
		"none of its":    func(a *projects.App) { a.Routes[0].Access = httpx.Needs("projects.example:wirte") },
	} {
		p := projects.New(projects.Config{DB: d}, trial(func(_ *projects.Host, a *projects.App) {
			a.Routes = []httpx.Route{answers("/x", nil)}
			change(a)
		}))
		if err := p.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("%s: %v", fault, err)
		}
	}
}
