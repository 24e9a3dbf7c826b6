package db

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Step is one numbered step of the schema.
type Step struct {
	Number int
	Title  string
	// SQL is the whole text of the step, its heading included.
	SQL string
	// Hash is the SHA-256 of SQL: an applied step is never edited.
	Hash [sha256.Size]byte
}

// StepStatus is a step as the database knows it.
type StepStatus struct {
	Number int
	Title  string
	// AppliedAt is nil for a step that is not applied yet.
	AppliedAt *time.Time
	// Problem is a sentence if the recorded step is not the program's: it was
	// edited since, or this program does not know it. Otherwise it is empty.
	Problem string
}

const (
	pollLock         = 100 * time.Millisecond
	stepLockTimeout  = 5 * time.Second
	stepLockAttempts = 6
)

var heading = regexp.MustCompile(`(?m)^-- step (\d+): (\S.*)$`)

// ParseSteps splits a schema into its steps. Each begins with a line "-- step N:
// title" and ends before the next one; they are numbered from 1.
func ParseSteps(schema string) ([]Step, error) {
	found := heading.FindAllStringSubmatchIndex(schema, -1)
	if found == nil {
		return nil, errors.New(`the schema has no step: a step begins with a line "-- step 1: title"`)
	}
	steps := make([]Step, 0, len(found))
	for i, at := range found {
		end := len(schema)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		n, err := strconv.Atoi(schema[at[2]:at[3]])
		if err != nil || n != i+1 {
			return nil, fmt.Errorf("the schema's step %s stands where step %d belongs: steps are numbered from 1 without a gap",
				schema[at[2]:at[3]], i+1)
		}
		sql := strings.TrimRight(schema[at[0]:end], " \t\r\n")
		steps = append(steps, Step{Number: n, Title: schema[at[4]:at[5]], SQL: sql, Hash: sha256.Sum256([]byte(sql))})
	}
	return steps, nil
}

// Migrate brings the connected database to the schema and renews the grants of the
// runtime role. It works on a connection of its own with the rights of the URL's
// login, which must own the database.
//
// Any number of processes may call it at once: one works, the others wait until
// ctx ends. Each step and its record in schema_steps are one transaction, so a
// crash leaves only whole steps. If a recorded step was edited since, or the
// database is newer than the schema, it refuses and changes nothing.
func (d *DB) Migrate(ctx context.Context, schema string) error {
	return d.migrate(ctx, "public", schema, `SET search_path TO public`, applyGrants)
}

// migrate applies the steps in the namespace that the statement prepare selects;
// the statement grant gives the runtime role its rights.
func (d *DB) migrate(ctx context.Context, namespace, schema, prepare, grant string) error {
	steps, err := ParseSteps(schema)
	if err != nil {
		return err
	}
	conn, err := d.dial(ctx, nil)
	if err != nil {
		return err
	}
	defer closeConn(conn) // which also releases the lock

	if err := lockMigration(ctx, conn); err != nil {
		return err
	}
	if err := Exec(ctx, conn, prepare); err != nil {
		return err
	}
	// If it exists, the server sends a notice, which nobody reads.
	if err := Exec(ctx, conn, StepTable); err != nil {
		return err
	}
	done, err := recordedSteps(ctx, conn, steps)
	if err != nil {
		return err
	}
	if err := refusal(done, steps); err != nil {
		return err
	}
	for _, s := range steps[len(done):] {
		start := time.Now()
		if err := applyStep(ctx, conn, s); err != nil {
			return fmt.Errorf("schema step %d (%s): %w", s.Number, s.Title, err)
		}
		d.log.Info("schema step applied", "schema", namespace, "step", s.Number, "title", s.Title, "took", time.Since(start).String())
	}
	if err := Exec(ctx, conn, grant); err != nil {
		return fmt.Errorf("grant the runtime role its rights: %w", err)
	}
	return nil
}

// MigrationStatus lists the steps that the connected database records, also those
// that only it knows, and then those of the schema that are to come.
func (d *DB) MigrationStatus(ctx context.Context, schema string) (list []StepStatus, err error) {
	steps, err := ParseSteps(schema)
	if err != nil {
		return nil, err
	}
	// As the owner, like Migrate: the grants come last, and may be missing after a
	// step that failed.
	err = d.AsOwner(ctx, func(conn *pgx.Conn) error {
		list, err = recordedSteps(ctx, conn, steps)
		return err
	})
	if err != nil && !errors.Is(err, errNoTables) {
		return nil, err
	}
	for _, s := range steps[min(len(steps), len(list)):] {
		list = append(list, StepStatus{Number: s.Number, Title: s.Title})
	}
	return list, nil
}

// Migrated is nil if the database has this schema or a newer one, as it does while
// the next release takes over. It asks through the pool.
func (d *DB) Migrated(ctx context.Context, schema string) error {
	_, err := d.migrated(ctx, schema)
	return err
}

// SameSchema is nil if the database has exactly this schema, as commands need. It
// waits for a process that applies steps.
func (d *DB) SameSchema(ctx context.Context, schema string) error {
	newer, err := d.migrated(ctx, schema)
	if err != nil && d.AsOwner(ctx, func(conn *pgx.Conn) error { return lockMigration(ctx, conn) }) == nil {
		newer, err = d.migrated(ctx, schema)
	}
	return cmp.Or(err, newer)
}

// migrated says what is wrong with the schema, and separately whether the database
// is newer.
func (d *DB) migrated(ctx context.Context, schema string) (newer, err error) {
	steps, err := ParseSteps(schema)
	if err != nil {
		return nil, err
	}
	done, err := recordedSteps(ctx, d, steps)
	if err != nil {
		return nil, err
	}
	if err := refusal(done[:min(len(done), len(steps))], steps); err != nil {
		return nil, err
	}
	if n := len(done); n < len(steps) {
		return nil, fmt.Errorf("the database is older than this program: it lacks schema step %d (%s); run: homebase migrate", steps[n].Number, steps[n].Title)
	}
	return refusal(done, steps), nil
}

var errNoTables = errors.New("the database has no tables yet; run: homebase migrate")

// recordedSteps are the steps that were applied to the first schema of the path,
// held against the program's; errNoTables where none ever was.
func recordedSteps(ctx context.Context, q Querier, steps []Step) ([]StepStatus, error) {
	const sql = `-- name: db.Steps
		SELECT number, title, hash, applied_at FROM schema_steps ORDER BY number`
	n := 0
	done, err := All(ctx, q, func(row pgx.Row) (r StepStatus, err error) {
		var hash []byte
		err = row.Scan(&r.Number, &r.Title, &hash, &r.AppliedAt)
		switch n++; {
		case n > len(steps):
			r.Problem = "This program does not know the step: it is older than the database."
		case r.Number != n || !bytes.Equal(hash, steps[n-1].Hash[:]):
			r.Problem = "The step was edited after it had been applied."
		}
		return r, err
	}, sql)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42P01" { // undefined_table
		return nil, errNoTables
	}
	return done, err
}

// refusal is why these steps must not be applied over the recorded ones.
func refusal(done []StepStatus, steps []Step) error {
	if len(done) > len(steps) {
		last := done[len(done)-1]
		return fmt.Errorf("the database is newer than this program: it has schema step %d (%s), this program knows steps 1 to %d; start a newer release",
			last.Number, last.Title, len(steps))
	}
	for i, r := range done {
		if r.Problem != "" {
			return fmt.Errorf("schema step %d (%s) was edited after it had been applied to this database on %s: restore its text and put the change into a new step at the end",
				steps[i].Number, steps[i].Title, r.AppliedAt.Format(time.DateOnly))
		}
	}
	return nil
}

// lockMigration polls instead of waiting in PostgreSQL: a session that waits for an
// advisory lock holds a snapshot, and the holder of the lock may have to wait for
// all older snapshots to end.
func lockMigration(ctx context.Context, conn *pgx.Conn) error {
	const sql = `-- name: db.LockMigration
		SELECT pg_try_advisory_lock($1, 0)`
	for {
		locked, err := One(ctx, conn, Value[bool], sql, lockMigrate)
		if err != nil {
			return err
		}
		if locked {
			return nil
		}
		if !Sleep(ctx, pollLock) {
			return fmt.Errorf("wait for another process that applies schema steps: %w", context.Cause(ctx))
		}
	}
}

// StepTable creates the record of the steps, in the first schema of the path.
const StepTable = `-- name: db.CreateStepTable
	CREATE TABLE IF NOT EXISTS schema_steps (
		number     integer     NOT NULL CONSTRAINT schema_steps_pkey PRIMARY KEY,
		title      text        NOT NULL,
		hash       bytea       NOT NULL,
		applied_at timestamptz NOT NULL
	)`

// applyStep does not wait long for a lock, which would block every query behind it,
// but gives up and tries again: workers of the previous release are still running.
func applyStep(ctx context.Context, conn *pgx.Conn, s Step) error {
	for attempt := 1; ; attempt++ {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error { return runStep(ctx, tx, s) })
		kind, _ := KindOf(translate(err))
		if kind != Busy || attempt == stepLockAttempts {
			return translate(err)
		}
		if !Sleep(ctx, time.Second+retryWait(attempt)) {
			return context.Cause(ctx)
		}
	}
}

func runStep(ctx context.Context, tx pgx.Tx, s Step) error {
	const record = `-- name: db.RecordStep
		INSERT INTO schema_steps (number, title, hash, applied_at) VALUES ($1, $2, $3, now())`
	if _, err := tx.Exec(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d", stepLockTimeout.Milliseconds())); err != nil {
		return err
	}
	conn := tx.Conn().PgConn()
	// The simple protocol takes several statements at once.
	if _, err := conn.Exec(ctx, s.SQL).ReadAll(); err != nil {
		return where(err, s)
	}
	if conn.TxStatus() != 'T' {
		return errors.New("the step ended its transaction: a step contains no COMMIT and no ROLLBACK")
	}
	_, err := tx.Exec(ctx, record, s.Number, s.Title, s.Hash[:])
	return err
}

// where adds the line of the step where PostgreSQL stopped.
func where(err error, s Step) error {
	pg, ok := errors.AsType[*pgconn.PgError](err)
	if !ok || pg.Position <= 0 {
		return err
	}
	// Position counts characters from 1.
	before := []rune(s.SQL)[:min(int(pg.Position)-1, len([]rune(s.SQL)))]
	return fmt.Errorf("line %d of the step: %w", strings.Count(string(before), "\n")+1, err)
}

// applyGrants sets what the runtime role may do, if it exists: the usual, but audit
// events and seals can only be added and read, and schema steps only read. It is
// one statement, so no worker ever runs with half of the rights.
const applyGrants = `-- name: db.ApplyGrants
	DO $$
	DECLARE
		t record;
	BEGIN
		IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '` + runtimeRole + `') THEN
			RETURN;
		END IF;
		GRANT USAGE ON SCHEMA public TO ` + runtimeRole + `;
		GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO ` + runtimeRole + `;
		FOR t IN
			SELECT c.oid::regclass AS name,
			       CASE WHEN c.relname = 'schema_steps' THEN 'SELECT'
			            WHEN c.relname ~ '^audit_(events|seals)' THEN 'SELECT, INSERT'
			            ELSE 'SELECT, INSERT, UPDATE, DELETE' END AS rights
			  FROM pg_class c
			 WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v')
		LOOP
			EXECUTE format('REVOKE ALL ON %s FROM ` + runtimeRole + `', t.name);
			EXECUTE format('GRANT %s ON %s TO ` + runtimeRole + `', t.rights, t.name);
		END LOOP;
	END
	$$`
