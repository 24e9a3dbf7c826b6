package backup

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strings"
	"syscall"
	"time"

	"homebase/audit"
	"homebase/cli"
	"homebase/db"
	"homebase/files"

	"github.com/jackc/pgx/v5"
)

func (b *Backup) restoreCommand(ctx context.Context, sh *cli.Shell, args []string) error {
	flags, dir := sh.Flags("restore"), ""
	point := flags.String("point", "", "restore the point called `NAME` instead of the newest")
	without := flags.Bool("without-secret", false, "continue even if the secret is neither in the backup nor configured")
	check := flags.Bool("check", false, "restore nothing: try the tables in a transaction that is rolled back, and check every file")
	if err := flags.Parse(args, &dir); err != nil {
		return err
	}
	st, m, err := b.openPoint(dir, *point)
	if err != nil {
		return err
	}
	defer st.close()
	if err := b.known(m); err != nil {
		return err
	}
	if err := sh.Connect(ctx, cli.NeedDatabase); err != nil {
		return err
	}
	line := newBar(sh.Stderr)
	defer line.End()
	if *check {
		return b.check(ctx, sh, st, m, line)
	}
	return b.restore(ctx, sh, st, m, *without, line)
}

// known finds the texts of the steps that the point was made with, and refuses a point
// with steps that this release does not have.
func (b *Backup) known(m *Manifest) error {
	m.steps = map[string]string{}
	for schema, applied := range m.Steps {
		text, ok := b.Schemas[schema]
		if !ok {
			return fmt.Errorf("the restore point holds the tables of %s, which this release does not have: restore with the release %s", schema, m.Version)
		}
		steps, err := db.ParseSteps(text)
		if err != nil {
			return err
		}
		for i, s := range applied {
			if i >= len(steps) {
				return fmt.Errorf("the restore point is newer than this program: %s has step %d (%s) there, this program knows steps 1 to %d; restore with the release %s or a newer one",
					schema, s.Number, s.Title, len(steps), m.Version)
			}
			if !bytes.Equal(s.Hash, steps[i].Hash[:]) {
				return fmt.Errorf("step %d (%s) of %s differs between this program and the restore point: restore with the release %s", s.Number, s.Title, schema, m.Version)
			}
			m.steps[schema] += steps[i].SQL + "\n\n"
		}
	}
	return nil
}

// lost is what a restore without the secret of the backup cannot bring back.
const lost = `Without the secret that the platform had, you lose:
  - authenticators: their seeds are encrypted. Recovery codes still work; for anybody else: homebase api POST /auth/users/ID/totp/reset
  - the proof of the audit log: earlier events stay readable, but their MACs and seals can no longer be verified
  - known devices, unlocked share links, preview links of drafts, tokens of contact forms
Passwords, access keys, files, shares and everything else work as before.`

// restore fills an empty database and an empty data directory. No server starts on them
// before its last transaction.
func (b *Backup) restore(ctx context.Context, sh *cli.Shell, st *store, m *Manifest, without bool, line *bar) error {
	if err := errors.Join(b.DB.AsOwner(ctx, func(conn *pgx.Conn) error { return b.checkEmpty(ctx, conn) }), b.Files.CheckEmpty()); err != nil {
		return err
	}
	known, err := b.findSecret(st, m)
	if err != nil {
		return err
	}
	if !known {
		fmt.Fprintln(sh.Stderr, lost)
		if !without {
			return errors.New("the secret is neither in the restore point nor configured: give it as HOMEBASE_SECRET, or accept the loss by --without-secret; nothing was changed")
		}
	}
	began := time.Now()
	put, err := b.Files.PutBack()
	if err != nil {
		return err
	}
	if err := b.fill(ctx, st, m, line); err != nil {
		return err
	}
	var gone []file
	var left []loose
	var rotten int
	err = b.DB.AsOwner(ctx, func(conn *pgx.Conn) (err error) {
		gone, rotten, err = st.putFiles(ctx, conn, put, m, line)
		if err == nil {
			left, err = st.putLoose(ctx, put, m)
		}
		if err != nil {
			return err
		}
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			if err := b.Restored(ctx, tx, !known); err != nil {
				return err
			}
			if err := b.Audit.Record(ctx, tx, audit.Event{Action: audit.BackupRestored, Details: map[string]string{"point": m.Name}}); err != nil {
				return err
			}
			return put.Finish(ctx, tx)
		})
	})
	if err != nil {
		return err
	}
	line.End()
	fmt.Fprintf(sh.Stdout, "Restored %s: %d tables, %d files (%s), in %s.\n", m.Name, len(m.Tables), m.Files.Count, bytesText(m.Files.Bytes), time.Since(began).Round(100*time.Millisecond))
	fmt.Fprintf(sh.Stdout, "Everybody has to sign in again. What was revoked or deleted after %s is back: review access keys, shares and users.\n", m.MadeAt.Format(time.RFC1123))
	printAll(sh.Stdout, gone)
	printAll(sh.Stdout, left)
	if m.Loose.Count > 0 {
		fmt.Fprintf(sh.Stdout, "%d files and folders without a row are back as they were; homebase files scan takes them over.\n", m.Loose.Count-int64(len(left)))
	}
	st.sayOthers(sh.Stdout, m)
	if rotten+len(left) > 0 {
		return fmt.Errorf("all is restored except %d files whose bytes in the backup are damaged or missing; see above: they are listed, but not on the disk", rotten+len(left))
	}
	return nil
}

// creates finds what the steps create in public: nothing else there is ever dropped.
var creates = regexp.MustCompile(`(?m)^CREATE (?:UNLOGGED )?(?:TABLE|FUNCTION) (\w+)`)

// own are the names of the tables and functions of the platform.
func (b *Backup) own() (names []string) {
	for _, m := range creates.FindAllStringSubmatch(b.Schemas["public"], -1) {
		names = append(names, m[1])
	}
	return append(names, "schema_steps")
}

// checkEmpty refuses a database that holds other tables or an account.
func (b *Backup) checkEmpty(ctx context.Context, conn *pgx.Conn) error {
	foreign, err := db.All(ctx, conn, db.Value[string], `-- name: backup.TablesOfOthers
		SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		 WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
		   AND (NOT c.relname = ANY ($1) OR to_regclass('public.schema_steps') IS NULL) AND `+ours, b.own())
	if err == nil && len(foreign) > 0 {
		err = fmt.Errorf("the database holds tables that are not this platform's (%s). Restore into an empty one; nothing was changed", strings.Join(foreign, ", "))
	}
	if err != nil {
		return err
	}
	exists, err := db.One(ctx, conn, db.Value[bool], `-- name: backup.UsersExist
		SELECT to_regclass('public.users') IS NOT NULL`)
	if err != nil || !exists {
		return err
	}
	users, err := db.One(ctx, conn, db.Value[int64], `-- name: backup.CountUsers
		SELECT count(*) FROM public.users`)
	if err == nil && users > 0 {
		err = fmt.Errorf("the database is not empty: it has %d users. Restore into an empty one; nothing was changed", users)
	}
	return err
}

// findSecret checks whether the secret of the point is configured. If not, it uses the
// one in the point.
func (b *Backup) findSecret(st *store, m *Manifest) (known bool, err error) {
	fits := func() bool { return len(m.Fingerprint) == 0 || b.knowsSecret(m) }
	if fits() || !m.Secret {
		return fits(), nil
	}
	text, err := os.ReadFile(st.path("secret"))
	if err != nil {
		return false, err
	}
	if err := b.KeepSecret(strings.TrimSpace(string(text))); err != nil {
		return false, err
	}
	return fits(), nil
}

// fill creates the tables as they were, fills them, and migrates them to this release.
// Tables left by a server that ran before anybody had an account are dropped.
func (b *Backup) fill(ctx context.Context, st *store, m *Manifest, line *bar) error {
	if err := b.asOwner(ctx, func(tx pgx.Tx) error { return b.wipe(ctx, tx) }); err != nil {
		return err
	}
	for schema := range m.Steps {
		migrate := b.DB.Migrate
		if schema != "public" {
			migrate = func(ctx context.Context, text string) error { return b.DB.MigrateIn(ctx, schema, text) }
		}
		if err := migrate(ctx, m.steps[schema]); err != nil {
			return err
		}
	}
	err := b.asOwner(ctx, func(tx pgx.Tx) error { return st.load(ctx, tx, m, "", line) })
	if err == nil {
		err = b.Migrate(ctx)
	}
	if err != nil {
		return err
	}
	return b.asOwner(ctx, func(tx pgx.Tx) error {
		return db.Exec(ctx, tx, `ANALYZE`)
	})
}

// asOwner runs fn in a transaction with the rights of the URL's login.
func (b *Backup) asOwner(ctx context.Context, fn func(tx pgx.Tx) error) error {
	return b.DB.AsOwner(ctx, func(conn *pgx.Conn) error { return pgx.BeginFunc(ctx, conn, fn) })
}

// wipe drops the tables and functions of a platform without accounts, and the schemas
// of all apps. What else is in this database stays.
func (b *Backup) wipe(ctx context.Context, tx pgx.Tx) error {
	// Without steps, nothing belongs to the platform.
	const sql = `-- name: backup.WhatToWipe
		SELECT w.sql FROM (
			SELECT format('DROP SCHEMA %I CASCADE', n.nspname)
			  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			 WHERE n.nspname LIKE 'app\_%' AND c.relname = 'schema_steps' AND c.relkind = 'r'
			UNION ALL
			SELECT format('DROP TABLE IF EXISTS public.%I CASCADE', c.relname)
			  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			 WHERE n.nspname = 'public' AND c.relkind IN ('r', 'p') AND c.relname = ANY ($1)
			UNION ALL
			SELECT format('DROP FUNCTION IF EXISTS %s CASCADE', c.oid::regprocedure)
			  FROM pg_proc c JOIN pg_namespace n ON n.oid = c.pronamespace
			 WHERE n.nspname = 'public' AND c.proname = ANY ($1) AND ` + ours + `
		) AS w (sql) WHERE to_regclass('public.schema_steps') IS NOT NULL`
	list, err := db.All(ctx, tx, db.Value[string], sql, b.own())
	for _, drop := range list {
		if err == nil {
			err = db.Exec(ctx, tx, drop)
		}
	}
	return err
}

// putFiles restores every folder and file of the restored rows to its path. It returns
// the files that were not sound when they were backed up, and how many were damaged in
// the backup since. Nothing is put in place of these, so that nobody takes other
// bytes for theirs.
func (st *store) putFiles(ctx context.Context, conn *pgx.Conn, put *files.Putting, m *Manifest, line *bar) (gone []file, rotten int, err error) {
	problems := map[string]file{}
	for _, f := range m.Files.Problems {
		problems[f.Key()] = f
	}
	var done int64
	err = files.EachStored(ctx, conn, true, func(page []files.Stored) error {
		var described []files.Stored
		for _, s := range page {
			f, odd := problems[s.Key()]
			if odd && f.Problem != rescued {
				gone = append(gone, f)
			}
			if odd && f.hash() == "" {
				continue
			}
			now, err := st.putFile(ctx, put, s, f)
			if errors.Is(err, errRotten) {
				f.Stored = s
				f.Problem = fmt.Sprintf("%v (%s)", err, st.object(f.hash()))
				gone = append(gone, f)
				rotten++
				continue
			}
			if err != nil {
				return fmt.Errorf("%s: %w", s.Place, err)
			}
			described = append(described, now)
			done += s.Size
		}
		line.show("files", done, m.Files.Bytes)
		return put.Describe(ctx, conn, described)
	})
	return gone, rotten, err
}

func (st *store) putFile(ctx context.Context, put *files.Putting, s files.Stored, f file) (files.Stored, error) {
	if s.SHA256 == "" {
		return put.Put(s, nil)
	}
	hash := s.SHA256
	if f.Kept != "" {
		hash, s.MTime = f.Kept, f.KeptMTime
	}
	object, err := os.Open(st.object(hash))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EIO) {
		return s, fmt.Errorf("%w: %w", errRotten, err)
	}
	if err != nil {
		return s, err
	}
	defer object.Close()
	if f.Problem == altered {
		s.SHA256 = hash
	}
	return put.Put(s, &summed{ctx, object, sha256.New(), hash})
}
