// Package projectstest starts a worker with apps for their tests: a database of the
// test's own, the registry, and users who sign in as usual. Only tests import it.
package projectstest

import (
	"context"
	"log/slog"
	"sync"
	"testing"

	"homebase/auth"
	"homebase/auth/authtest"
	"homebase/db"
	"homebase/httpx"
	"homebase/httpx/httpxtest"
	"homebase/projects"

	"github.com/google/uuid"
)

// Origin is that of the one frontend of every test.
const Origin = "https://site.example.com"

// Env is a running worker.
type Env struct {
	*authtest.Env
	// Owner is signed in as an admin, who may use every app.
	Owner *httpxtest.Client
	// Projects is the registry of the worker that was started last.
	Projects *projects.Projects
}

// Start starts a worker with these apps; Worker starts others on the same database.
// rooms, which may be nil, makes other rooms of the platform and sets cfg.Open; without
// it there are no files.
func Start(t testing.TB, rooms func(e *authtest.Env, cfg *projects.Config) []httpx.Route, mounts ...projects.Mount) *Env {
	t.Helper()
	env := &Env{}
	env.Env = authtest.Start(t, func(e *authtest.Env) (routes []httpx.Route) {
		cfg := projects.Config{DB: e.DB, Audit: e.Audit, Log: slog.New(slog.DiscardHandler), Origins: []string{Origin},
			Open: func(context.Context, uuid.UUID) (projects.File, error) { return projects.File{}, db.ErrNotFound }}
		if rooms != nil {
			routes = rooms(e, &cfg)
		}
		p := projects.New(cfg, mounts...)
		if err := p.Migrate(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := p.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		var running sync.WaitGroup
		running.Go(func() { p.Run(ctx) })
		t.Cleanup(func() { cancel(); running.Wait() })
		env.Projects = p
		e.Auth.Keep(auth.Storage{Erase: p.Erase})
		return append(routes, p.Routes()...)
	}, func(cfg *auth.Config) {
		cfg.Permissions = projects.Permissions(mounts...)
	})
	env.User(t, "owner@example.com", "admin")
	env.Owner = env.SignIn(t, "owner@example.com")
	return env
}

// RunJob runs a job of the apps now: "projects.<name>.<verb>".
func (e *Env) RunJob(t testing.TB, name string) {
	t.Helper()
	for _, job := range e.Projects.Jobs() {
		if job.Name == name {
			if err := e.DB.RunJob(t.Context(), job); err != nil {
				t.Fatalf("the job %s: %v", name, err)
			}
			return
		}
	}
	t.Fatalf("there is no job %s", name)
}
