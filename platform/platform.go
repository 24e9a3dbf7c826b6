// Package platform is the wiring, the only place that knows every room. Routes, jobs
// and commands come to it as data; if a room seems to need a room above it, it is
// handed a function.
package platform

import (
	"context"
	"io"
	"log/slog"
	"maps"
	"slices"

	"homebase/audit"
	"homebase/auth"
	"homebase/auth/gate"
	"homebase/auth/oidc"
	"homebase/cli"
	"homebase/db"
	"homebase/files"
	"homebase/httpx"
	"homebase/portfolio"
	"homebase/projects"
	"homebase/projects/mounted"
	"homebase/system"
	"homebase/system/backup"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// Build is what the program was built with.
type Build struct {
	Version string
	Schema  string // the steps of schema.sql
}

// Platform is every room, wired.
type Platform struct {
	build     Build
	cfg       *system.Config
	log       *slog.Logger
	level     *slog.LevelVar
	flushLog  func() error
	db        *db.DB
	cluster   *db.Cluster // nil where a database is configured
	audit     *audit.Log
	mail      *system.Mail
	auth      *auth.Auth
	oidc      *oidc.Provider
	gate      *gate.Gate
	files     *files.Files
	portfolio *portfolio.Portfolio
	projects  *projects.Projects
	system    *system.System
	backup    *backup.Backup
}

// New wires the rooms, which log to w. It does not read the secret, the disk or the
// database.
func New(build Build, cfg *system.Config, w io.Writer) *Platform {
	log, level, flush := cfg.Logger(w)
	p := &Platform{build: build, cfg: cfg, log: log, level: level, flushLog: flush, db: db.New(log)}
	p.audit = audit.New(p.db, log, cfg.Keys)
	p.audit.Retention = cfg.AuditRetention
	p.mail = system.NewMail(p.db, log, cfg.SMTPURL, cfg.MailFrom, cfg.Keys)
	send := p.mail.Send
	if !p.mail.Configured() {
		send = nil
	}
	p.auth = auth.New(auth.Config{
		DB: p.db, Audit: p.audit, Log: log, Keys: cfg.Keys, PublicURL: cfg.PublicURL.String(), AccountURL: cfg.AccountURL,
		PasskeyDomain: cfg.PasskeyDomain, PasskeyOrigins: cfg.PasskeyOrigins(), Registration: cfg.Registration, GuessesUnlimited: !cfg.RateLimits, Send: send,
		Permissions: projects.Permissions(mounted.Apps...),
	})
	p.oidc = oidc.New(oidc.Config{
		DB: p.db, Audit: p.audit, Log: log, Keys: cfg.Keys, PublicURL: cfg.PublicURL.String(), AccountURL: cfg.AccountURL, CountWrong: p.auth.CountWrong,
	})
	p.gate = gate.New(gate.Config{
		DB: p.db, Audit: p.audit, Auth: p.auth, Keys: cfg.Keys, AccountURL: cfg.AccountURL,
		Own: slices.Concat([]string{cfg.PublicURL.String()}, cfg.Origins, cfg.PublicOrigins),
	})
	p.files = files.New(files.Config{
		DB: p.db, Audit: p.audit, Log: log, DataDir: cfg.DataDir, MinFree: cfg.MinFree, DefaultQuota: cfg.DefaultQuota,
		UploadExpiry: cfg.UploadExpiry, TrashRetention: cfg.TrashRetention, VersionRetention: cfg.VersionRetention,
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
		Version: build.Version, Log: log, DB: p.db, Audit: p.audit, Keys: cfg.Keys,
		Checks: []system.Check{
			{Name: "database", Run: p.db.Ping},
			{Name: "schema", Run: func(ctx context.Context) error { return p.db.Migrated(ctx, p.build.Schema) }},
			{Name: "notifications", Run: p.db.Listener().Heard},
			{Name: "storage", Run: p.files.Ready},
			{Name: "free_space", Run: p.files.HasRoom},
			{Name: "redo", Run: p.files.KeepsUp},
		},
		SharedLimits: shared,
		Untaken: func(ctx context.Context, give func(path, why string)) error {
			return p.files.Untaken(ctx, func(u files.Untaken) { give(u.Path, u.Why) })
		},
		PasskeyDomains: p.auth.PasskeyDomains,
		GuardedHosts:   p.gate.Hosts,
		Figures:        []func(context.Context) ([]httpx.Figure, error){p.auth.Figures, p.files.Figures, p.audit.Figures},
	})
	schemas := p.projects.Schemas()
	schemas["public"] = build.Schema
	p.backup = &backup.Backup{
		DB: p.db, Audit: p.audit, Files: p.files, Version: build.Version, Schemas: schemas, Migrate: p.migrateAll, Restored: p.restored,
		Fingerprints: p.auth.Fingerprints, Keys: cfg.Keys, Secret: cfg.SecretText, KeepSecret: cfg.KeepSecret,
	}
	if p.mail.Configured() {
		p.backup.Mail = p.mail.Deliver
	}
	return p
}

// restored lets every room discard what must not come back with a backup.
func (p *Platform) restored(ctx context.Context, tx pgx.Tx, lost bool) error {
	if err := p.auth.Restored(ctx, tx, lost); err != nil {
		return err
	}
	if err := p.oidc.Restored(ctx, tx, lost); err != nil {
		return err
	}
	return p.mail.Restored(ctx, tx)
}

// erase lets every room delete what belongs to a user who is about to be deleted.
func (p *Platform) erase(ctx context.Context, tx pgx.Tx, user uuid.UUID) error {
	if err := p.projects.Erase(ctx, tx, user); err != nil {
		return err
	}
	return p.files.Erase(ctx, tx, user)
}

// Routes are all that the server answers.
func (p *Platform) Routes() []httpx.Route {
	return system.WithContract(httpx.Whole(slices.Concat(p.auth.Routes(), p.oidc.Routes(), p.gate.Routes(), p.files.Routes(), p.portfolio.Routes(), p.projects.Routes(),
		p.audit.Routes(), p.system.Routes())))
}

func (p *Platform) jobs() []db.Job {
	return slices.Concat(p.auth.Jobs(), p.oidc.Jobs(), p.files.Jobs(), p.portfolio.Jobs(), p.projects.Jobs(), p.audit.Jobs(), p.mail.Jobs())
}

// Commands are all commands of the program.
func (p *Platform) Commands() cli.Commands {
	server := []cli.Command{
		{Name: "serve", Summary: "answer requests until told to stop", Needs: cli.NeedDatabase, Serves: true, Run: p.serve},
		{Name: "migrate", Args: "[--status] [--json]", Summary: "bring the database to this version's schema", Needs: cli.NeedDatabase, Run: p.migrate},
		{Name: "api", Args: "[-i] METHOD PATH [JSON|-]", Summary: "carry out a request as the operator, with or without a server", Needs: cli.NeedSecret, Run: p.api},
		{Name: "routes", Args: "[--json]", Summary: "list every route and who may call it", Needs: cli.NeedSettings, Run: system.Prints("routes", p.listRoutes)},
		{Name: "openapi", Summary: "print this API as an OpenAPI 3.1 document", Needs: cli.NeedSettings, Run: p.describe},
	}
	return cli.Commands{
		{Name: "Server", Commands: slices.Concat(server, p.system.Commands(p.cfg, p.jobs()))},
		{Name: "People", Commands: p.auth.Commands()},
		{Name: "Files", Commands: p.files.Commands()},
		{Name: "Backup", Commands: p.backup.Commands()},
		{Name: "Audit", Commands: p.audit.Commands()},
		{Name: "Apps", Commands: p.projects.Commands()},
	}.WithHelp()
}
