package journal

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"homebase/db"
	"homebase/db/dbtest"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"
)

// What the model of PostgreSQL assumes, on the real one. That a COMMIT without an
// answer may have landed, and how the house hears of it, is in db/piped_test.go.

// try is a statement that has to work.
func try(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

// ask is a statement that gives one number.
func ask(t *testing.T, conn *pgx.Conn, sql string) (n int64) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// until waits for a number that has to come.
func until(t *testing.T, conn *pgx.Conn, want int64, sql string) {
	t.Helper()
	for began := time.Now(); ask(t, conn, sql) != want; time.Sleep(5 * time.Millisecond) {
		if time.Since(began) > 30*time.Second {
			t.Fatalf("%s never became %d", sql, want)
		}
	}
}

const (
	lockOne   = "SELECT n FROM tried WHERE n = 1 FOR NO KEY UPDATE"
	waitingIn = "SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE NOT l.granted AND a.datname = current_database() AND a.query LIKE '%tried%'"
)

// withConns runs fn with three connections to a database that has a table.
func withConns(t *testing.T, fn func(a, b, c *pgx.Conn)) {
	d := dbtest.New(t)
	err := d.AsOwner(t.Context(), func(a *pgx.Conn) error {
		return d.AsOwner(t.Context(), func(b *pgx.Conn) error {
			return d.AsOwner(t.Context(), func(c *pgx.Conn) error {
				try(t, a, "CREATE TABLE tried (n bigint PRIMARY KEY); INSERT INTO tried VALUES (1)")
				fn(a, b, c)
				return nil
			})
		})
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestAssumption_AStatementSeesWhatWasCommittedWhenItBegins(t *testing.T) {
	t.Parallel()
	withConns(t, func(a, b, c *pgx.Conn) {
		try(t, a, "BEGIN; "+lockOne+"; INSERT INTO tried VALUES (2)")
		try(t, b, "BEGIN")
		if n := ask(t, b, "SELECT count(*) FROM tried"); n != 1 {
			t.Errorf("%d rows, and one was committed", n)
		}
		locked := make(chan error, 1)
		go func() { _, err := b.Exec(t.Context(), lockOne); locked <- err }()
		until(t, c, 1, waitingIn)
		try(t, a, "COMMIT")
		if err := <-locked; err != nil {
			t.Fatal(err)
		}
		if n := ask(t, b, "SELECT count(*) FROM tried"); n != 2 {
			t.Errorf("who waited for the lock sees %d rows", n)
		}
	})
}

// sendAndLeave sends statements and is gone.
func sendAndLeave(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	wire := conn.PgConn()
	wire.Frontend().Send(&pgproto3.Query{String: sql})
	if err := wire.Frontend().Flush(); err != nil {
		t.Fatal(err)
	}
	wire.Conn().Close()
}

func TestAssumption_WhatWasSentIsCarriedOutThoughTheClientIsGone(t *testing.T) {
	t.Parallel()
	for _, end := range []string{"; COMMIT", ""} {
		withConns(t, func(a, b, c *pgx.Conn) {
			try(t, a, "BEGIN; "+lockOne)
			sendAndLeave(t, b, "BEGIN; "+lockOne+"; INSERT INTO tried VALUES (3)"+end)
			until(t, c, 1, waitingIn)
			if n := ask(t, c, "SELECT count(*) FROM tried"); n != 1 {
				t.Errorf("%d rows while it waits", n)
			}
			try(t, a, "COMMIT")
			if end != "" {
				until(t, c, 2, "SELECT count(*) FROM tried")
				return
			}
			try(t, a, "BEGIN; "+lockOne) // once that is rolled back
			if n := ask(t, c, "SELECT count(*) FROM tried"); n != 1 {
				t.Errorf("%d rows without a COMMIT", n)
			}
		})
	}
}

func TestAssumption_ACrashKeepsTheLogUpToAPlaceBehindTheLastFlush(t *testing.T) {
	t.Parallel()
	cluster, err := db.StartCluster(t.Context(), db.ClusterConfig{StateDir: t.TempDir(), Throwaway: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cluster.Close() })
	conn := connected(t, cluster)
	try(t, conn, "CREATE TABLE tried (n bigint PRIMARY KEY); CREATE SEQUENCE numbers")
	for n := range int64(1000) {
		durable := "off"
		if n == 500 {
			durable = "on"
		}
		try(t, conn, fmt.Sprintf("SET synchronous_commit = %s; INSERT INTO tried VALUES (%d)", durable, n))
	}
	try(t, conn, "BEGIN")
	xid := ask(t, conn, "SELECT pg_current_xact_id()::text::bigint")
	number := ask(t, conn, "SELECT nextval('numbers')")
	killPostgres(t, conn)
	conn = connected(t, cluster)
	kept := ask(t, conn, "SELECT count(*) FROM tried")
	if last := ask(t, conn, "SELECT max(n) FROM tried"); last != kept-1 || kept < 501 {
		t.Errorf("%d rows are left, the last one is %d", kept, last)
	}
	t.Logf("%d of 1000 were kept; before the crash transaction %d and number %d were given out, now %d and %d", kept, xid, number,
		ask(t, conn, "SELECT pg_current_xact_id()::text::bigint"), ask(t, conn, "SELECT nextval('numbers')"))
}

func connected(t *testing.T, cluster *db.Cluster) *pgx.Conn {
	t.Helper()
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		conn, err := pgx.Connect(t.Context(), cluster.URL())
		if err == nil {
			t.Cleanup(func() { conn.Close(context.Background()) })
			return conn
		}
		if time.Since(began) > time.Minute {
			t.Fatal(err)
		}
	}
}

// killPostgres kills the server of a connection with all its processes.
func killPostgres(t *testing.T, conn *pgx.Conn) {
	t.Helper()
	main := parentOf(int(conn.PgConn().PID()))
	syscall.Kill(main, syscall.SIGSTOP) // so it forks none that would live on
	all, _ := filepath.Glob("/proc/[0-9]*")
	for _, p := range all {
		if pid, _ := strconv.Atoi(filepath.Base(p)); parentOf(pid) == main {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	syscall.Kill(main, syscall.SIGKILL)
}

func parentOf(pid int) int {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	lines := strings.Split(string(text), "\n")
	i := slices.IndexFunc(lines, func(line string) bool { return strings.HasPrefix(line, "PPid:") })
	if i < 0 {
		return -1
	}
	parent, _ := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(lines[i], "PPid:")))
	return parent
}
