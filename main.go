// Homebase is one platform backend for all the web frontends of a person or a
// small team: sign-in, files, portfolio content, and a room for every
// application still to come, behind /api/v1.
//
// This file is the wiring, the only place that knows every room. Routes, jobs
// and commands come to it as data.
package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"slices"
	"sync"
	"syscall"
	"text/tabwriter"

	"homebase/audit"
	"homebase/auth"
	"homebase/backup"
	"homebase/db"
	"homebase/files"
	"homebase/httpx"
	"homebase/portfolio"
	"homebase/projects"
	"homebase/projects/mounted"
	"homebase/system"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

//go:embed schema.sql
var schema string

// version is set by the build: -ldflags "-X main.version=…".
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	sh := &db.Shell{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	err := run(ctx, sh, os.Environ(), os.Args[1:])
	stop()
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	if !errors.Is(err, db.ErrSaid) {
		fmt.Fprintln(os.Stderr, "homebase: "+err.Error())
	}
	if errors.Is(err, db.ErrUsage) {
		os.Exit(2)
	}
	os.Exit(1)
}

// platform is every room, wired. Making one reads no secret, no disk and no
// database.
type platform struct {
	cfg       *system.Config
	log       *slog.Logger
	level     *slog.LevelVar
	db        *db.DB
	audit     *audit.Log
	mail      *system.Mail
	auth      *auth.Auth
	files     *files.Files
	portfolio *portfolio.Portfolio
	projects  *projects.Projects
	system    *system.System
	backup    *backup.Backup
}

func wire(cfg *system.Config, log *slog.Logger) *platform {
	p := &platform{cfg: cfg, log: log, db: db.New(log)}
	p.audit = audit.New(p.db, log, cfg.Keys)
	p.audit.Retention = cfg.AuditRetention
	p.mail = system.NewMail(p.db, log, cfg.SMTPURL, cfg.MailFrom, cfg.Keys)
	send := p.mail.Send
	if !p.mail.Configured() {
		send = nil
	}
	p.auth = auth.New(auth.Config{
		DB: p.db, Audit: p.audit, Log: log, Keys: cfg.Keys, PublicURL: cfg.PublicURL.String(), AccountURL: cfg.AccountURL,
		Registration: cfg.Registration, GuessesUnlimited: !cfg.RateLimits, Send: send,
		Permissions: projects.Permissions(mounted.Apps...),
	})
	p.files = files.New(files.Config{
		DB: p.db, Audit: p.audit, Log: log, DataDir: cfg.DataDir, MinFree: cfg.MinFree, DefaultQuota: cfg.DefaultQuota,
		UploadExpiry: cfg.UploadExpiry, TrashRetention: cfg.TrashRetention,
		Keys: cfg.Keys, Auth: p.auth,
	})
	p.projects = projects.New(projects.Config{
		DB: p.db, Audit: p.audit, Log: log,
		Origins: slices.Concat([]string{cfg.PublicURL.Scheme + "://" + cfg.PublicURL.Host}, cfg.Origins, cfg.PublicOrigins),
		Open: func(ctx context.Context, id uuid.UUID) (projects.File, error) {
			c, err := p.files.Open(ctx, id)
			return projects.File{ReadSeekCloser: c.File, Name: c.Name, MediaType: c.MediaType, Size: c.Size}, err
		},
	}, mounted.Apps...)
	p.auth.Keep(auth.Storage{Quotas: p.files.Quotas, SetQuota: p.files.SetQuota, SetEntryQuota: p.files.SetEntryQuota, Erase: p.erase})
	p.auth.OnChange(p.files.RecheckListeners)
	p.portfolio = portfolio.New(portfolio.Config{
		DB: p.db, Audit: p.audit, Keys: cfg.Keys, PublicURL: cfg.PublicURL.String(), Send: send,
		Image: p.files.Image, Owns: p.files.Owns,
	})
	shared := auth.SharedLimits()
	maps.Copy(shared, portfolio.SharedLimits())
	p.system = system.New(system.Setup{
		Version: version, Log: log, DB: p.db, Audit: p.audit, Keys: cfg.Keys,
		Checks: []system.Check{
			{Name: "database", Run: p.db.Ping},
			{Name: "schema", Run: func(ctx context.Context) error { return p.db.Migrated(ctx, schema) }},
			{Name: "notifications", Run: p.db.Listener().Heard},
			{Name: "storage", Run: p.files.Ready},
			{Name: "free_space", Run: p.files.HasRoom},
			{Name: "redo", Run: p.files.KeepsUp},
		},
		SharedLimits: shared,
		Untaken: func(ctx context.Context, give func(path, why string)) error {
			return p.files.Untaken(ctx, func(u files.Untaken) { give(u.Path, u.Why) })
		},
		Figures: []func(context.Context) ([]httpx.Figure, error){p.auth.Figures, p.files.Figures, p.audit.Figures},
	})
	schemas := p.projects.Schemas()
	schemas["public"] = schema
	p.backup = backup.New(backup.Config{
		DB: p.db, Audit: p.audit, Files: p.files, Version: version, Schemas: schemas, Migrate: p.migrateAll, Restored: p.restored,
		Fingerprints: p.auth.Fingerprints, Keys: cfg.Keys, Secret: cfg.SecretText, KeepSecret: cfg.KeepSecret,
	})
	if p.mail.Configured() {
		p.backup.Mail = p.mail.Deliver
	}
	return p
}

// restored lets every room put away what must not come back with a backup.
func (p *platform) restored(ctx context.Context, tx pgx.Tx, lost bool) error {
	if err := p.auth.Restored(ctx, tx, lost); err != nil {
		return err
	}
	return p.mail.Restored(ctx, tx)
}

// erase lets every room let go of a user who is about to be deleted.
func (p *platform) erase(ctx context.Context, tx pgx.Tx, user uuid.UUID) error {
	if err := p.projects.Erase(ctx, tx, user); err != nil {
		return err
	}
	return p.files.Erase(ctx, tx, user)
}

func (p *platform) routes() []httpx.Route {
	return system.WithContract(httpx.Whole(slices.Concat(p.auth.Routes(), p.files.Routes(), p.portfolio.Routes(), p.projects.Routes(),
		p.audit.Routes(), p.system.Routes())))
}

func (p *platform) jobs() []db.Job {
	return slices.Concat(p.auth.Jobs(), p.files.Jobs(), p.portfolio.Jobs(), p.projects.Jobs(), p.audit.Jobs(), p.mail.Jobs())
}

func (p *platform) commands() db.Commands {
	server := []db.Command{
		{Name: "serve", Summary: "answer requests until told to stop", AnySchema: true, Run: p.serve},
		{Name: "migrate", Args: "[--status] [--json]", Summary: "bring the database to this version's schema", AnySchema: true, Run: p.migrate},
		{Name: "api", Args: "[-i] METHOD PATH [JSON|-]", Summary: "carry out a request as the operator, with or without a server", Lazy: true, Run: p.api},
		{Name: "routes", Args: "[--json]", Summary: "list every route and who may call it", Offline: true, Run: p.listRoutes},
		{Name: "openapi", Summary: "print this API as an OpenAPI 3.1 document", Offline: true, Run: p.describe},
	}
	return db.Commands{
		{Name: "Server", Commands: slices.Concat(server, p.system.Commands(p.cfg, p.jobs()))},
		{Name: "People", Commands: p.auth.Commands()},
		{Name: "Files", Commands: p.files.Commands()},
		{Name: "Backup", Commands: p.backup.Commands()},
		{Name: "Audit", Commands: p.audit.Commands()},
		{Name: "Apps", Commands: p.projects.Commands()},
	}.WithHelp()
}

// run is the program: it reads the configuration, finds the command and
// carries it out.
func run(ctx context.Context, sh *db.Shell, environ, args []string) error {
	cfg, configErr := system.LoadConfig(environ)
	if configErr != nil {
		// Help and version must work whatever the environment holds.
		cfg, _ = system.LoadConfig(nil)
	}
	log, level := cfg.Logger(sh.Stderr)
	p := wire(cfg, log)
	p.level = level
	cmd, rest, err := p.commands().Find(args)
	switch {
	case err != nil:
		return err
	case configErr != nil && !cmd.Anywhere:
		return fmt.Errorf("the configuration has problems:\n%w", configErr)
	case cmd.Offline:
		return cmd.Run(ctx, sh, rest)
	}
	if err := cfg.LoadSecret(); err != nil {
		return fmt.Errorf("the secret: %w", err)
	}
	var leave []func() error
	sh.Connect = func(ctx context.Context) error {
		closeDB, err := p.connect(ctx)
		leave = append(leave, closeDB)
		if err == nil && !cmd.AnySchema {
			err = p.db.SameSchema(ctx, schema)
		}
		return err
	}
	if !cmd.Lazy {
		err = sh.Connect(ctx)
	}
	if cmd.Name != "serve" {
		ctx = audit.ByOperator(ctx)
	}
	if err == nil {
		err = cmd.Run(ctx, sh, rest)
	}
	for _, close := range leave {
		err = errors.Join(err, close())
	}
	return err
}

// connect opens the database, starting or joining the private cluster when no
// URL is configured. The function it returns, always, lets go of both.
func (p *platform) connect(ctx context.Context) (leave func() error, err error) {
	url := p.cfg.DatabaseURL
	leave = func() error { p.db.Close(); return nil }
	if url == "" {
		cluster, err := db.StartCluster(ctx, db.ClusterConfig{StateDir: p.cfg.StateDir, Roles: p.projects.Roles(), Log: p.log})
		if err != nil {
			return leave, err
		}
		url = cluster.URL()
		leave = func() error { p.db.Close(); return cluster.Close() }
	}
	return leave, p.db.Connect(ctx, db.Config{URL: url})
}

// serve migrates, recovers what a killed worker left, and answers requests
// until ctx ends; then requests under way are finished, notes of the audit
// log flushed, and everything is let go.
func (p *platform) serve(ctx context.Context, sh *db.Shell, args []string) error {
	if err := sh.Flags("serve").Parse(args); err != nil {
		return err
	}
	server, err := httpx.New(httpx.Config{
		PublicURL: p.cfg.PublicURL.String(), Origins: p.cfg.Origins, PublicOrigins: p.cfg.PublicOrigins,
		TrustedProxies: p.cfg.TrustedProxies, RateLimits: p.cfg.RateLimits, Log: p.log,
		Authenticate: p.auth.Authenticate, Recheck: p.auth.Recheck,
	}, p.routes())
	if err != nil {
		return err
	}
	if err := p.migrateAll(ctx); err != nil {
		return err
	}
	// Background work outlives ctx by the drain, so that the last requests
	// still find their listener, their journal and their log.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	for _, start := range []func(context.Context) error{p.audit.Start, p.auth.Start, p.portfolio.Start, p.projects.Start, p.files.Start} {
		if err := start(work); err != nil {
			return err
		}
	}
	defer p.files.Stop()
	group.Go(func() { p.db.Listener().Run(work) })
	group.Go(func() { p.audit.Run(work) })
	group.Go(func() { p.projects.Run(work) })
	group.Go(func() { p.db.RunJobs(work, p.jobs()) })
	group.Go(func() { p.system.FollowLimits(work, server) })
	listener, err := httpx.Listen(p.cfg.Listen)
	if err != nil {
		return err
	}
	p.log.Info("serving", "version", version, "listen", p.cfg.Listen, "url", p.cfg.PublicURL.String()+"/api/v1")
	return server.Serve(ctx, listener)
}

// api carries out one request in this process. It needs no server and leaves
// one that runs alone: both work on the same database, and it joins the workers
// of the files like any other.
func (p *platform) api(ctx context.Context, sh *db.Shell, args []string) error {
	flags, call := sh.Flags("api"), httpx.ShellCall{}
	flags.BoolVar(&call.Headers, "i", false, "print the status and the headers too")
	if err := flags.ParseOptional(args, &call.Method, &call.Path, &call.Body); err != nil {
		return err
	}
	if call.Path == "" {
		return fmt.Errorf("%w: give a method and a path, as in: homebase api GET /auth/users", db.ErrUsage)
	}
	// What is printed is the answer. The log says what went wrong.
	p.level.Set(max(p.level.Level(), slog.LevelWarn))
	server, err := httpx.New(httpx.Config{
		PublicURL: p.cfg.PublicURL.String(), RateLimits: p.cfg.RateLimits, Log: p.log, Operator: p.auth.Operator(), Recheck: p.auth.Recheck,
	}, p.routes())
	if err == nil {
		err = sh.Connect(ctx)
	}
	if err != nil {
		return err
	}
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	for _, start := range []func(context.Context) error{p.audit.Start, p.auth.Start, p.projects.Start} {
		if err := start(work); err != nil {
			return err
		}
	}
	if err := p.files.Start(work); err != nil {
		p.log.Warn("files cannot be reached", "error", err)
	}
	defer p.files.Stop()
	group.Go(func() { p.audit.Run(work) })
	return server.Carry(ctx, sh, call)
}

// migrateAll brings the platform's tables to this version, then the apps'.
func (p *platform) migrateAll(ctx context.Context) error {
	if err := p.db.Migrate(ctx, schema); err != nil {
		return err
	}
	return p.projects.Migrate(ctx)
}

func (p *platform) migrate(ctx context.Context, sh *db.Shell, args []string) error {
	flags := sh.Flags("migrate")
	status := flags.Bool("status", false, "list the steps and when each was applied")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if !*status {
		return p.migrateAll(ctx)
	}
	steps, err := p.db.MigrationStatus(ctx, schema)
	if err != nil {
		return err
	}
	if *asJSON {
		return json.NewEncoder(sh.Stdout).Encode(steps)
	}
	for _, s := range steps {
		applied := "pending"
		if s.AppliedAt != nil {
			applied = s.AppliedAt.UTC().Format("2006-01-02 15:04:05Z")
		}
		fmt.Fprintf(sh.Stdout, "%3d  %-20s  %s\n", s.Number, applied, s.Title)
	}
	return nil
}

func (p *platform) describe(ctx context.Context, sh *db.Shell, args []string) error {
	if err := sh.Flags("openapi").Parse(args); err != nil {
		return err
	}
	text, err := httpx.OpenAPI(p.routes())
	if err != nil {
		return err
	}
	var lines bytes.Buffer
	if err := json.Indent(&lines, text, "", " "); err != nil {
		return err
	}
	lines.WriteByte('\n')
	_, err = lines.WriteTo(sh.Stdout)
	return err
}

func (p *platform) listRoutes(ctx context.Context, sh *db.Shell, args []string) error {
	flags := sh.Flags("routes")
	asJSON := flags.Bool("json", false, "print JSON")
	if err := flags.Parse(args); err != nil {
		return err
	}
	listed := httpx.Listings(p.routes())
	if *asJSON {
		return json.NewEncoder(sh.Stdout).Encode(listed)
	}
	w := tabwriter.NewWriter(sh.Stdout, 0, 0, 2, ' ', 0)
	for _, r := range listed {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", r.Method, r.Pattern, r.Access, r.Summary)
	}
	return w.Flush()
}
