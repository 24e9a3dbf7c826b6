// Package projects is the namespace for every application still to come, with a
// folder below this one for each, and the registry that mounts them. A new idea
// becomes an app here, never a second backend; README.md shows how.
//
// What it promises about an app, whatever its code does:
//   - Its routes are /projects/<name>/…, in the one route table with the same
//     policies; its permissions are projects.<name>:<verb>.
//   - Its database work runs in a schema of its own. If the role app_<name>
//     exists, it has no rights on any other table.
//   - When it is turned off, it answers 404 on every worker at once and its jobs
//     rest; its data stays.
//   - It uses at most a quarter of the database's connections, and all apps
//     together at most half: an app that blocks or panics harms no other.
//   - What it does is audited in the same transaction.
package projects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"homebase/audit"
	"homebase/auth"
	"homebase/db"
	"homebase/httpx"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// App is one application as data.
type App struct {
	// Name is that of its folder.
	Name string
	// Description is one line for people.
	Description string
	// Schema holds its numbered steps, like schema.sql; they run in a schema of
	// its own. "" is for an app that stores nothing.
	Schema string
	// Permissions are all those that its routes ask for, "projects.<name>:<verb>",
	// each with a sentence for people: what who holds it may do.
	Permissions []auth.Permission
	// Routes have patterns below /projects/<name>: "GET /items".
	Routes []httpx.Route
	// Jobs are named by a verb: "sweep" is listed as projects.<name>.sweep.
	Jobs []db.Job
	// Run works in the background until ctx ends; nil if all work is done in
	// requests and jobs. If it panics, that is logged and it is called again. A
	// goroutine that the app starts itself has no such protection.
	Run func(ctx context.Context)
	// Erase deletes what belongs to a user who is being deleted; nil if nothing
	// belongs to users.
	Erase func(ctx context.Context, tx pgx.Tx, user uuid.UUID) error
}

// Mount makes an app for its host. It uses neither database nor disk.
type Mount func(h *Host) App

// Config is what the registry needs.
type Config struct {
	DB    *db.DB
	Audit *audit.Log
	Log   *slog.Logger
	// Origins are those of the frontends and of the server itself.
	Origins []string
	// Open opens a file of the caller of ctx, who needs files:read.
	Open func(ctx context.Context, id uuid.UUID) (File, error)
}

// File is an open file of the caller. Close it.
type File struct {
	io.ReadSeekCloser
	Name, MediaType string
	Size            int64 // bytes
}

// Projects is the registry. Make one per process with New.
type Projects struct {
	Config
	apps  []*Host
	fault error              // of the first app that is invalid
	off   *db.Kept[[]string] // the names of the apps that are turned off
}

// New mounts the apps and registers with the listener: call it before the listener
// runs. Migrate refuses an invalid app before anything is served.
func New(cfg Config, mounts ...Mount) *Projects {
	p := &Projects{Config: cfg}
	p.off = db.NewKept(cfg.DB, channel, p.readDisabled)
	for _, mount := range mounts {
		h := &Host{p: p, Log: cfg.Log, Origins: cfg.Origins}
		h.app = mount(h)
		if err := h.app.check(); err != nil && p.fault == nil {
			p.fault = fmt.Errorf("the app %q: %w", h.app.Name, err)
		}
		p.apps = append(p.apps, h)
	}
	return p
}

var nameForm = regexp.MustCompile(`^[a-z][a-z0-9]{1,29}$`)

// check says what is wrong with an app.
func (a App) check() error {
	prefix := "projects." + a.Name + ":"
	switch {
	case !nameForm.MatchString(a.Name):
		return errors.New("a name has 2 to 30 lower-case letters and digits")
	case a.Description == "":
		return errors.New("it has no description")
	}
	for _, permission := range a.Permissions {
		if !strings.HasPrefix(permission.Name, prefix) {
			return fmt.Errorf("its permission %q does not begin with %s", permission.Name, prefix)
		}
		if permission.Description == "" {
			return fmt.Errorf("its permission %q has no sentence that says what it lets people do", permission.Name)
		}
	}
	for _, route := range a.Routes {
		if asks := route.Access.Permission(); asks != "" && !slices.ContainsFunc(a.Permissions, func(p auth.Permission) bool { return p.Name == asks }) {
			return fmt.Errorf("%q asks for %q, which is none of its permissions", route.Pattern, asks)
		}
	}
	return nil
}

// Permissions are the permissions of all apps, for auth, which is made before them.
func Permissions(mounts ...Mount) (all []auth.Permission) {
	for _, mount := range mounts {
		all = append(all, mount(&Host{}).Permissions...)
	}
	return all
}

// Roles are the PostgreSQL roles that the apps work as if they exist.
func (p *Projects) Roles() []string { return slices.Sorted(maps.Keys(p.Schemas())) }

// Schemas are the texts of the apps' steps by the PostgreSQL schema that they run in.
func (p *Projects) Schemas() map[string]string {
	texts := map[string]string{}
	for _, h := range p.apps {
		if h.app.Schema != "" {
			texts[h.namespace()] = h.app.Schema
		}
	}
	return texts
}

// Migrate brings every app's schema to this version's. It comes after the
// platform's own migration.
func (p *Projects) Migrate(ctx context.Context) error {
	err := p.fault
	for _, h := range p.apps {
		if err == nil && h.app.Schema != "" {
			err = p.DB.MigrateIn(ctx, h.namespace(), h.app.Schema)
		}
	}
	return err
}

// Start bounds the apps' shares of the pool, which must be connected.
func (p *Projects) Start(context.Context) error {
	conns := int(p.DB.Stat().MaxConns())
	all := make(chan struct{}, max(1, conns/2))
	for _, h := range p.apps {
		h.shares = []chan struct{}{make(chan struct{}, max(1, conns/4)), all}
	}
	return nil
}

// runAgain is the wait before an app's Run is called again.
const runAgain = time.Second

// Run does the apps' background work until ctx ends and they have returned.
func (p *Projects) Run(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	for _, h := range p.apps {
		if h.app.Run == nil {
			continue
		}
		running.Go(func() {
			for again := ctx.Err() == nil; again; again = db.Sleep(ctx, runAgain) {
				h.runOnce(ctx)
			}
		})
	}
}

func (h *Host) runOnce(ctx context.Context) {
	defer func() {
		if v := recover(); v != nil {
			h.Log.Error("an app panicked", "app", h.app.Name, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
		}
	}()
	h.app.Run(ctx)
}

// Routes are the routes of the registry and of all apps.
func (p *Projects) Routes() []httpx.Route {
	routes := p.ownRoutes()
	for _, h := range p.apps {
		for _, route := range httpx.Whole(h.app.Routes) {
			method, path, _ := strings.Cut(route.Pattern, " ")
			route.Pattern = method + " /projects/" + h.app.Name + path
			route.Problems = append(slices.Clip(route.Problems), httpx.ErrNotFound)
			if handler := route.Handler; handler != nil {
				route.Handler = func(w http.ResponseWriter, r *http.Request) error {
					switch on, err := h.enabled(r.Context()); {
					case err != nil:
						return err
					case !on:
						return httpx.ErrNotFound.With("The app is turned off.")
					}
					return handler(w, r)
				}
			}
			routes = append(routes, route)
		}
	}
	return routes
}

// Jobs are the jobs of all apps. Those of an app that is turned off are not needed, and
// do nothing.
func (p *Projects) Jobs() (jobs []db.Job) {
	for _, h := range p.apps {
		for _, job := range h.app.Jobs {
			run, needed := job.Run, job.Needed
			job.Name = "projects." + h.app.Name + "." + job.Name
			job.Run = func(ctx context.Context) error {
				on, err := h.enabled(ctx)
				if on {
					err = run(ctx)
				}
				return err
			}
			job.Needed = func(ctx context.Context) (bool, error) {
				on, err := h.enabled(ctx)
				if on && needed != nil {
					return needed(ctx)
				}
				return on, err
			}
			jobs = append(jobs, job)
		}
	}
	return jobs
}

// Erase deletes what the apps store for a user, in the transaction that deletes the
// user.
func (p *Projects) Erase(ctx context.Context, tx pgx.Tx, user uuid.UUID) error {
	for _, h := range p.apps {
		if h.app.Erase == nil {
			continue
		}
		err := db.InNamespace(ctx, tx, h.namespace(), func() error { return h.app.Erase(ctx, tx, user) })
		if err != nil {
			return fmt.Errorf("the app %q: %w", h.app.Name, err)
		}
	}
	return nil
}
