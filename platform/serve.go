package platform

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"homebase/cli"
	"homebase/httpx"
)

var errDied = errors.New("another worker has declared this one dead")

// serve migrates, recovers what killed workers left, and answers requests until ctx
// ends, or until another worker declares this one dead. Then it finishes requests in
// progress, flushes the notes of the audit log, and releases everything.
func (p *Platform) serve(ctx context.Context, sh *cli.Shell, args []string) error {
	if err := sh.Flags("serve").Parse(args); err != nil {
		return err
	}
	server, err := httpx.New(httpx.Config{
		PublicURL: p.cfg.PublicURL.String(), Origins: p.cfg.Origins, PublicOrigins: p.cfg.PublicOrigins,
		TrustedProxies: p.cfg.TrustedProxies, RateLimits: p.cfg.RateLimits, Log: p.log,
		Authenticate: p.auth.Authenticate, Recheck: p.auth.Recheck, Afresh: p.auth.Afresh,
	}, p.Routes())
	if err != nil {
		return err
	}
	if err := p.migrateAll(ctx); err != nil {
		return err
	}
	// Background work goes on during the drain, so that the last requests still
	// have their listener, journal and log.
	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	var group sync.WaitGroup
	defer group.Wait()
	defer stop()
	for _, start := range []func(context.Context) error{p.audit.Start, p.auth.Start, p.projects.Start, p.files.Start} {
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
	p.log.Info("serving", "version", p.build.Version, "listen", p.cfg.Listen, "url", p.cfg.PublicURL.String()+"/api/v1")
	ctx, end := context.WithCancelCause(ctx)
	group.Go(func() {
		select {
		case <-p.files.Died():
			end(errDied)
		case <-work.Done():
		}
	})
	if err := server.Serve(ctx, listener); err != nil {
		return err
	}
	if errors.Is(context.Cause(ctx), errDied) {
		return errDied // whoever supervises it starts it anew, and then it is a worker again
	}
	return nil
}

// api carries out one request in this process. It needs no server, and does not
// disturb a running one: both work on the same database, and it joins the workers
// of the files like any other.
func (p *Platform) api(ctx context.Context, sh *cli.Shell, args []string) error {
	flags, call := sh.Flags("api"), httpx.ShellCall{}
	flags.BoolVar(&call.Headers, "i", false, "print the status and the headers too")
	if err := flags.ParseOptional(args, &call.Method, &call.Path, &call.Body); err != nil {
		return err
	}
	if call.Path == "" {
		return fmt.Errorf("%w: give a method and a path, as in: homebase api GET /auth/users", cli.ErrUsage)
	}
	// Only the answer is printed, and what went wrong is logged.
	p.level.Set(max(p.level.Level(), slog.LevelWarn))
	server, err := httpx.New(httpx.Config{
		PublicURL: p.cfg.PublicURL.String(), RateLimits: p.cfg.RateLimits, Log: p.log, Operator: p.auth.Operator(), Recheck: p.auth.Recheck, Afresh: p.auth.Afresh,
	}, p.Routes())
	if err == nil {
		err = sh.Connect(ctx, cli.NeedSchema)
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
