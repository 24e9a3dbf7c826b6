package backup

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"homebase/db"
	"homebase/files"

	"github.com/jackc/pgx/v5"
)

// fill creates the tables as they were, fills them, and migrates them to this release.
// Tables left by a server that ran before anybody had an account are dropped.
func (b *Backup) fill(ctx context.Context, st *store, m *Manifest, line *bar) error {
	if err := b.DB.AsOwner(ctx, func(conn *pgx.Conn) error { return b.wipe(ctx, conn) }); err != nil {
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
	err := b.DB.AsOwner(ctx, func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			return st.load(ctx, tx, m, func(schema string) string { return schema }, line)
		})
	})
	if err == nil {
		err = b.Migrate(ctx)
	}
	if err != nil {
		return err
	}
	return b.DB.AsOwner(ctx, func(conn *pgx.Conn) error {
		_, err := db.Exec(ctx, conn, `ANALYZE`)
		return err
	})
}

// wipe drops the tables and functions of a platform without accounts, and the schemas
// of all apps. What else is in this database stays.
func (b *Backup) wipe(ctx context.Context, conn *pgx.Conn) error {
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
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		list, err := db.All(ctx, tx, db.Value[string], sql, b.own())
		for _, drop := range list {
			if err == nil {
				_, err = db.Exec(ctx, tx, drop)
			}
		}
		return err
	})
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
			now, err := st.putFile(put, s, f)
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

func (st *store) putFile(put *files.Putting, s files.Stored, f file) (files.Stored, error) {
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
	return put.Put(s, &proven{object, sha256.New(), hash})
}
