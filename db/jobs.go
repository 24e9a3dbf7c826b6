package db

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// Job is work that is done again and again, by one worker at a time. Rooms declare
// jobs as data.
type Job struct {
	// Name is "area.verb", such as "auth.sweep". It identifies the job in the
	// database.
	Name string
	// Every is the time between the starts of two runs. A run that fails is
	// repeated after a minute, then two, four and so on, but after Every at the
	// latest.
	Every time.Duration
	// Needed reports, without writing, whether Run would find anything to do; nil
	// means always. A run that is not needed is skipped and writes nothing, except
	// once an hour, so that the job's row shows that the job is alive.
	Needed func(ctx context.Context) (bool, error)
	// Run does the work. Its context ends when the process stops, or when the
	// connection whose lock keeps other workers away is lost.
	Run func(ctx context.Context) error
}

// JobState is a job as the database knows it.
type JobState struct {
	Name      string     `json:"name"`
	LastRunAt *time.Time `json:"last_run_at"` // nil: never
	LastError string     `json:"last_error"`  // of the last run that ended, "" if it succeeded
	NextRunAt time.Time  `json:"next_run_at"`
	Running   bool       `json:"running"`  // now, on some worker
	Failures  int        `json:"failures"` // failed runs in a row
}

const (
	jobTick        = time.Second
	longestLook    = 10 * time.Second // between looks: others may have changed when a job is due
	longestQuiet   = time.Hour        // a job runs this often, needed or not
	jobAnswer      = 10 * time.Second // without an answer the connection counts as lost
	jobRetry       = time.Minute
	jobErrorLength = 500
	finishTimeout  = 5 * time.Second
)

// errRunning is the error of RunJob while another worker runs the job.
var errRunning = &Error{Kind: Busy, Err: errors.New("the job is running on another worker")}

// RunJobs runs each job when it is due, until ctx ends and the runs have ended.
// The schedule is in the table jobs, so it survives restarts, and a job that is
// overdue at the start runs at once.
//
// One connection outside the pool holds the advisory locks of all runs. If it
// breaks, PostgreSQL releases the locks: the contexts of the runs end, and
// everything starts again on a new connection.
func (d *DB) RunJobs(ctx context.Context, jobs []Job) {
	_ = d.reconnect(ctx, "the connection that runs jobs is lost", func() error { return d.runJobs(ctx, jobs) }) // ctx has ended
}

// RunJob runs a job now, due or not, and returns its error. That is an *Error of
// the kind Busy if another worker is running the job.
func (d *DB) RunJob(ctx context.Context, job Job) error {
	conn, err := d.connect(ctx, nil)
	if err != nil {
		return err
	}
	defer closeConn(conn)
	if err := register(ctx, conn, []Job{job}); err != nil {
		return err
	}
	list, err := schedule(ctx, conn, []Job{job})
	if err != nil {
		return err
	}
	j := list[0]
	if begun, err := begin(ctx, conn, j, true); err != nil {
		return err
	} else if !begun {
		return fmt.Errorf("%s: %w", job.Name, errRunning)
	}
	rctx, cancel := context.WithCancelCause(ctx)
	var guarding sync.WaitGroup
	guarding.Go(func() { cancel(guard(rctx, conn)) })
	err = d.run(rctx, j)
	cancel(nil)
	guarding.Wait()
	_ = unlock(context.WithoutCancel(ctx), conn, j) // if it fails, the connection is lost, and the lock too
	return err
}

// JobStates lists every job that the database knows, sorted by name.
func (d *DB) JobStates(ctx context.Context) ([]JobState, error) {
	const sql = `-- name: db.JobStates
		SELECT j.name, l.objid IS NOT NULL, j.next_run_at, j.last_run_at,
		       coalesce(CASE WHEN l.objid IS NULL AND j.last_run_at > coalesce(j.last_finished_at, '-infinity')
		                     THEN 'The worker ended before the job did.'
		                     ELSE j.last_error END, ''),
		       -- A run counts as failed until it ends.
		       greatest(0, j.failures - CASE WHEN l.objid IS NULL THEN 0 ELSE 1 END)
		  FROM jobs j
		  LEFT JOIN pg_locks l
		         ON l.locktype = 'advisory' AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
		        AND l.classid = $1 AND l.objid = j.id::oid AND l.objsubid = 2 AND l.granted
		 ORDER BY j.name`
	return All(ctx, d, RowOf(func(s *JobState) []any {
		return []any{&s.Name, &s.Running, &s.NextRunAt, &s.LastRunAt, &s.LastError, &s.Failures}
	}), sql, uint32(lockJobs))
}

// runJobs runs jobs on one connection until it breaks. Only this goroutine uses it.
func (d *DB) runJobs(ctx context.Context, jobs []Job) error {
	conn, err := d.connect(ctx, nil)
	if err != nil {
		return err
	}
	defer closeConn(conn)
	if err := register(ctx, conn, jobs); err != nil {
		return err
	}
	// Deferred after closing, so that the runs end before the locks are released.
	var runs sync.WaitGroup
	defer runs.Wait()
	rctx, cancel := context.WithCancel(ctx)
	defer cancel()

	// The names of the jobs that run in this process: advisory locks do not help
	// here, because the same session may take one twice.
	running, ended := map[string]bool{}, make(chan scheduled, len(jobs))
	passed := map[string]time.Time{} // when a run was last skipped, by name
	for {
		rest := slices.DeleteFunc(slices.Clone(jobs), func(j Job) bool { return running[j.Name] })
		ready, next, err := due(ctx, conn, rest, passed)
		if err != nil {
			return err
		}
		for _, j := range ready {
			begun, err := begin(ctx, conn, j, false)
			if err != nil {
				return err
			}
			if !begun {
				continue
			}
			running[j.Name] = true
			runs.Go(func() {
				_ = d.run(rctx, j) // the error is logged and recorded
				ended <- j
			})
		}
		if len(running) > 0 || len(ready) > 0 {
			next = jobTick // looking also shows whether the connection with the locks is alive
		}
		select {
		case j := <-ended:
			if err := unlock(ctx, conn, j); err != nil {
				return err
			}
			delete(running, j.Name)
		case <-time.After(max(next, jobTick)):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// due are the jobs whose time has come and that are needed; next is the time until
// another may be due.
func due(ctx context.Context, conn *pgx.Conn, jobs []Job, passed map[string]time.Time) (due []scheduled, next time.Duration, err error) {
	list, err := schedule(ctx, conn, jobs)
	next = longestLook
	for _, j := range list {
		if j.quiet && j.Needed != nil {
			j.wait = max(j.wait, time.Until(passed[j.Name].Add(j.Every)))
			if j.wait <= 0 && !needed(ctx, j.Job) {
				passed[j.Name], j.wait = time.Now(), j.Every
			}
		}
		if j.wait <= 0 {
			due = append(due, j)
		} else {
			next = min(next, j.wait)
		}
	}
	return due, next, err
}

// needed reports whether a job would find anything to do. If it cannot tell, the
// job is run, and fails where operators see it.
func needed(ctx context.Context, job Job) (yes bool) {
	ctx, cancel := context.WithTimeout(ctx, jobAnswer)
	defer cancel()
	err := protected(ctx, func(ctx context.Context) (err error) {
		yes, err = job.Needed(ctx)
		return err
	})
	return yes || err != nil
}

// guard asks the connection that holds the lock of a run until ctx ends, or until it
// is lost, which is the error.
func guard(ctx context.Context, conn *pgx.Conn) error {
	for Sleep(ctx, jobTick) {
		// The end of ctx does not cut this off: it would cost the connection.
		asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), jobAnswer)
		err := conn.Ping(asking)
		cancel()
		if err != nil {
			return fmt.Errorf("the lock of the job is lost: %w", translate(err))
		}
	}
	return nil
}

// run calls the job and records how it ended.
func (d *DB) run(ctx context.Context, job scheduled) error {
	start := time.Now()
	err := protected(ctx, job.Run)
	log := d.log.With("job", job.Name, "took", time.Since(start).String())
	if err != nil && ctx.Err() == nil {
		log.Error("a job failed", "error", err)
	} else {
		log.Debug("a job ended", "error", err)
	}
	// Recorded through the pool: the connection with the locks may be gone.
	fctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	if ferr := d.finishJob(fctx, job, err, ctx.Err() != nil); ferr != nil {
		log.Warn("cannot record how a job ended", "error", ferr)
	}
	return err
}

// protected turns a panic of a job into an error.
func protected(ctx context.Context, run func(ctx context.Context) error) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic: %v\n%s", v, debug.Stack())
		}
	}()
	return run(ctx)
}
