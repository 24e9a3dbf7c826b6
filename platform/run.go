package platform

import (
	"context"
	"errors"
	"fmt"

	"homebase/audit"
	"homebase/db"
	"homebase/system"
)

// Run is the program: it reads the configuration, finds the command and
// carries it out.
func Run(ctx context.Context, sh *db.Shell, build Build, environ, args []string) error {
	cfg, configErr := system.LoadConfig(environ)
	if configErr != nil {
		// Help and version must work whatever the environment holds.
		cfg, _ = system.LoadConfig(nil)
	}
	log, level := cfg.Logger(sh.Stderr)
	p := New(build, cfg, log)
	p.level = level
	cmd, rest, err := p.Commands().Find(args)
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
			err = p.db.SameSchema(ctx, p.build.Schema)
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
func (p *Platform) connect(ctx context.Context) (leave func() error, err error) {
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
