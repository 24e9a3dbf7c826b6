package platform

import (
	"context"
	"errors"
	"fmt"

	"homebase/audit"
	"homebase/db"
	"homebase/system"
)

// Run is the program: it reads the configuration, finds the command and runs it.
func Run(ctx context.Context, sh *db.Shell, build Build, environ, args []string) error {
	cfg, configErr := system.LoadConfig(environ)
	if configErr != nil {
		// Help and version must work whatever the environment holds.
		cfg, _ = system.LoadConfig(nil)
	}
	p := New(build, cfg, sh.Stderr)
	cmd, rest, err := p.Commands().Find(args)
	switch {
	case err != nil:
		return err
	case configErr != nil && cmd.Needs < db.NeedNothing:
		return fmt.Errorf("the configuration has problems:\n%w", configErr)
	}
	sh.Connect = p.connect
	if cmd.Needs <= db.NeedSecret {
		if err := cfg.LoadSecret(); err != nil {
			return fmt.Errorf("the secret: %w", err)
		}
	}
	if cmd.Needs <= db.NeedDatabase {
		err = p.connect(ctx, cmd.Needs)
	}
	if !cmd.Serves {
		ctx = audit.ByOperator(ctx)
	}
	if err == nil {
		err = cmd.Run(ctx, sh, rest)
	}
	return errors.Join(err, p.close())
}

// connect opens the database, starting or joining the private cluster if no URL is
// configured, and checks its schema if that is needed.
func (p *Platform) connect(ctx context.Context, need db.Need) (err error) {
	url := p.cfg.DatabaseURL
	if url == "" {
		if p.cluster, err = db.StartCluster(ctx, db.ClusterConfig{StateDir: p.cfg.StateDir, Roles: p.projects.Roles(), Log: p.log}); err != nil {
			return err
		}
		url = p.cluster.URL()
	}
	if err = p.db.Connect(ctx, db.Config{URL: url}); err == nil && need == db.NeedSchema {
		err = p.db.SameSchema(ctx, p.build.Schema)
	}
	return err
}

// close closes the database, then leaves the private cluster, and flushes the log.
func (p *Platform) close() (err error) {
	p.db.Close()
	if p.cluster != nil {
		err = p.cluster.Close()
	}
	return errors.Join(err, p.flushLog())
}
