package db

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// The statements on the table jobs. A run is recorded as failed before it begins:
// if the worker is killed during the run, the job runs again soon, but not over
// and over at once if it is the job that kills the worker.

// register inserts the rows of new jobs, due now, and moves the next run of other
// jobs forward if they are to run more often than before.
func register(ctx context.Context, conn *pgx.Conn, jobs []Job) error {
	const sql = `-- name: db.RegisterJob
		INSERT INTO jobs (name, next_run_at) VALUES ($1, now())
		ON CONFLICT (name) DO UPDATE SET next_run_at = now() + $2::interval
		 WHERE jobs.next_run_at > now() + $2::interval`
	for _, j := range jobs {
		if err := Exec(ctx, conn, sql, j.Name, j.Every); err != nil {
			return err
		}
	}
	return nil
}

// scheduled is a job with what its row says.
type scheduled struct {
	Job
	id    int32
	wait  time.Duration // until it is due; not positive if it is
	quiet bool          // it succeeded within the last hour
}

// schedule says when each job is due, those that have waited longest first. If a
// time is further ahead than the job's interval, the clock was set back since it
// was written: the job is due now.
func schedule(ctx context.Context, conn *pgx.Conn, jobs []Job) ([]scheduled, error) {
	const sql = `-- name: db.Schedule
		SELECT known.n, j.id,
		       CASE WHEN j.next_run_at > now() + known.every THEN 0 ELSE extract(epoch FROM j.next_run_at - now())::float8 END,
		       coalesce(j.failures = 0 AND j.last_finished_at >= j.last_run_at AND j.last_run_at BETWEEN now() - $3::interval AND now(), false)
		  FROM jobs j JOIN unnest($1::text[], $2::interval[]) WITH ORDINALITY AS known (name, every, n) USING (name)
		 ORDER BY j.next_run_at, j.id`
	names, intervals := make([]string, len(jobs)), make([]time.Duration, len(jobs))
	for i, j := range jobs {
		names[i], intervals[i] = j.Name, j.Every
	}
	ctx, cancel := context.WithTimeout(ctx, jobAnswer)
	defer cancel()
	return All(ctx, conn, func(row pgx.Row) (s scheduled, err error) {
		var n int
		var seconds float64
		if err = row.Scan(&n, &s.id, &seconds, &s.quiet); err == nil {
			s.Job, s.wait = jobs[n-1], time.Duration(seconds*float64(time.Second))
		}
		return s, err
	}, sql, names, intervals, longestQuiet)
}

func unlock(ctx context.Context, conn *pgx.Conn, job scheduled) error {
	const sql = `-- name: db.UnlockJob
		SELECT pg_advisory_unlock($1, $2)`
	ctx, cancel := context.WithTimeout(ctx, jobAnswer)
	defer cancel()
	return Exec(ctx, conn, sql, lockJobs, job.id)
}

// begin takes the lock of a job and records that its run begins. It returns false
// if another worker is running the job, or if it is no longer due, since another
// has just run it; a run that was asked for is always due.
func begin(ctx context.Context, conn *pgx.Conn, job scheduled, asked bool) (bool, error) {
	const lock = `-- name: db.LockJob
		SELECT pg_try_advisory_lock($1, $2)`
	const begin = `-- name: db.BeginJob
		UPDATE jobs
		   SET last_run_at = now(),
		       failures    = failures + 1,
		       next_run_at = now() + least($2::interval, $3::interval * power(2, least(failures, 20)))
		 WHERE id = $1 AND (next_run_at <= now() OR next_run_at > now() + $2::interval OR $4)`
	if locked, err := One(ctx, conn, Value[bool], lock, lockJobs, job.id); err != nil || !locked {
		return false, err
	}
	n, err := Affected(ctx, conn, begin, job.id, job.Every, jobRetry, asked)
	if err == nil && n == 0 {
		err = unlock(ctx, conn, job)
	}
	return n == 1, err
}

// finishJob records how a run ended. If it was interrupted because the process
// stops, the job is due again at once and has not failed.
func (d *DB) finishJob(ctx context.Context, job scheduled, cause error, interrupted bool) error {
	const sql = `-- name: db.FinishJob
		UPDATE jobs
		   SET last_finished_at = now(),
		       last_error       = $3,
		       failures         = CASE WHEN $3::text IS NULL THEN 0 WHEN $4 THEN greatest(failures - 1, 0) ELSE failures END,
		       next_run_at      = CASE WHEN $3::text IS NULL THEN greatest(last_run_at + $2::interval, now())
		                               WHEN $4 THEN now() ELSE next_run_at END
		 WHERE id = $1`
	var text *string
	if cause != nil {
		text = new(firstLine(cause.Error()))
	}
	return Exec(ctx, d, sql, job.id, job.Every, text, interrupted)
}

// firstLine leaves stacks and long texts to the log, and keeps invalid UTF-8 out of
// the table.
func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
	if len(s) > jobErrorLength {
		s = strings.ToValidUTF8(s[:jobErrorLength], "") + "…"
	}
	return s
}
