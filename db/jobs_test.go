package db_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"homebase/db"
	"homebase/db/dbtest"
)

// jobProcess is a worker that begins the job test.killed and never ends it.
func jobProcess() int {
	ctx := context.Background()
	d := db.New(quiet)
	if err := d.Connect(ctx, db.Config{URL: os.Getenv("HOMEBASE_DB_TEST_URL")}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	err := d.RunJob(ctx, db.Job{Name: "test.killed", Every: time.Hour, Run: func(context.Context) error {
		fmt.Println("running")
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	}})
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// working runs jobs until the test ends.
func working(t *testing.T, d *db.DB, jobs ...db.Job) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { d.RunJobs(ctx, jobs) })
	t.Cleanup(func() { cancel(); wg.Wait() })
}

func state(t *testing.T, d *db.DB, name string) db.JobState {
	t.Helper()
	states, err := d.JobStates(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range states {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("%s is not among the jobs %v", name, states)
	return db.JobState{}
}

func TestJobs_OneWorkerAtATime(t *testing.T) {
	t.Parallel()
	url := dbtest.Create(t)
	one, two := dbtest.Open(t, url), dbtest.Open(t, url)
	began, finish := make(chan struct{}), make(chan struct{})
	slow := db.Job{Name: "test.slow", Every: time.Hour, Run: func(context.Context) error {
		close(began)
		<-finish
		return nil
	}}
	quick := db.Job{Name: "test.slow", Every: time.Hour, Run: func(context.Context) error { return nil }}
	working(t, one, slow)
	<-began
	if s := state(t, two, "test.slow"); !s.Running || s.LastRunAt == nil || s.LastError != "" {
		t.Errorf("%+v", s)
	}
	for _, d := range []*db.DB{one, two} {
		if kind, _ := db.KindOf(d.RunJob(t.Context(), quick)); kind != db.Busy {
			t.Errorf("a second run at the same time: %v", kind)
		}
	}
	close(finish)
	eventually(t, "the lock is given back", func() bool { return two.RunJob(t.Context(), quick) == nil })
	if s := state(t, one, "test.slow"); s.Running || s.Failures != 0 || time.Until(s.NextRunAt) < 50*time.Minute {
		t.Errorf("%+v", s)
	}
}

func TestJobs_TwoWorkersShareThemAndNeverOverlap(t *testing.T) {
	t.Parallel()
	url := dbtest.Create(t)
	third := dbtest.Open(t, url)
	var active, runs atomic.Int32
	job := db.Job{Name: "test.shared", Every: time.Millisecond}
	job.Run = func(ctx context.Context) error {
		if active.Add(1) > 1 {
			t.Error("two runs at once")
		}
		if kind, _ := db.KindOf(third.RunJob(ctx, job)); kind != db.Busy && ctx.Err() == nil {
			t.Errorf("a second run at the same time: %v", kind)
		}
		active.Add(-1)
		runs.Add(1)
		return nil
	}
	working(t, dbtest.Open(t, url), job)
	working(t, dbtest.Open(t, url), job)
	eventually(t, "four runs", func() bool { return runs.Load() >= 4 })
}

func TestJobs_PanicIsAnErrorOfTheJobAndComesAgainSoon(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	day := 24 * time.Hour
	err := d.RunJob(t.Context(), db.Job{Name: "test.bad", Every: day, Run: func(context.Context) error { panic("oh no") }})
	if err == nil || !strings.Contains(err.Error(), "oh no") {
		t.Errorf("error %v", err)
	}
	s := state(t, d, "test.bad")
	if s.Running || s.LastError != "panic: oh no" || s.Failures != 1 || time.Until(s.NextRunAt) > 2*time.Minute {
		t.Errorf("%+v", s)
	}
	own := errors.New("disk is \xff full\nand more")
	if err := d.RunJob(t.Context(), db.Job{Name: "test.bad", Every: day, Run: func(context.Context) error { return own }}); err != own {
		t.Errorf("error %v", err)
	}
	if s := state(t, d, "test.bad"); s.LastError != "disk is \uFFFD full" || s.Failures != 2 {
		t.Errorf("%+v", s)
	}
	if err := d.RunJob(t.Context(), db.Job{Name: "test.bad", Every: day, Run: func(context.Context) error { return nil }}); err != nil {
		t.Error(err)
	}
	if s := state(t, d, "test.bad"); s.LastError != "" || s.Failures != 0 || time.Until(s.NextRunAt) < day-time.Hour {
		t.Errorf("%+v", s)
	}
}

func TestJobs_ScheduleSurvivesARestart(t *testing.T) {
	t.Parallel()
	url := dbtest.Create(t)
	var daily atomic.Int32
	job := db.Job{Name: "test.daily", Every: 24 * time.Hour, Run: func(context.Context) error { daily.Add(1); return nil }}
	if err := dbtest.Open(t, url).RunJob(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	// What is due is begun in the order in which it became due: when the new
	// job has run, the other would have been begun.
	ran := make(chan struct{})
	working(t, dbtest.Open(t, url), job,
		db.Job{Name: "test.new", Every: time.Hour, Run: func(context.Context) error { close(ran); return nil }})
	<-ran
	if n := daily.Load(); n != 1 {
		t.Errorf("it ran %d times in its day", n)
	}
}

func TestJobs_ATimeThatLiesTooFarAheadIsDue(t *testing.T) {
	t.Parallel()
	d := dbtest.Open(t, dbtest.Create(t))
	ran := make(chan struct{}, 2)
	working(t, d, db.Job{Name: "test.daily", Every: 24 * time.Hour, Run: func(context.Context) error { ran <- struct{}{}; return nil }})
	<-ran
	// The clock is set back once the run is written down.
	for moved := int64(0); moved == 0; time.Sleep(10 * time.Millisecond) {
		n, err := db.Affected(t.Context(), d, `UPDATE jobs SET next_run_at = now() + interval '900 days' WHERE last_finished_at IS NOT NULL`)
		if err != nil {
			t.Fatal(err)
		}
		moved = n
	}
	<-ran
}

func TestJobs_OneThatIsNotNeededWritesNothing(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t)
	var asked, runs atomic.Int32
	var work, stuck atomic.Bool
	job := db.Job{Name: "test.rare", Every: time.Second, Run: func(context.Context) error { runs.Add(1); return nil },
		Needed: func(context.Context) (bool, error) {
			asked.Add(1)
			if stuck.Load() {
				panic("oh no")
			}
			return work.Load(), nil
		}}
	version := func() string {
		v, err := db.One(t.Context(), d, db.Value[string], `SELECT xmin::text FROM jobs WHERE last_finished_at >= last_run_at AND failures = 0`)
		if err != nil && !errors.Is(err, db.ErrNotFound) {
			t.Fatal(err)
		}
		return v
	}
	working(t, d, job)
	eventually(t, "it has run once, so that its row tells of it", func() bool { return version() != "" })
	was, times := version(), asked.Load()
	eventually(t, "it is asked again", func() bool { return asked.Load() >= times+2 })
	if version() != was || runs.Load() != 1 {
		t.Errorf("it ran %d times", runs.Load())
	}
	for name, set := range map[string]func(){
		"there is work":                func() { work.Store(true) },
		"it cannot tell":               func() { stuck.Store(true) },
		"the last run was an hour ago": func() { must(t, d, `UPDATE jobs SET last_run_at = now() - interval '61 minutes'`) },
		"its last run never ended":     func() { must(t, d, `UPDATE jobs SET last_finished_at = NULL`) },
	} {
		ran := runs.Load()
		set()
		eventually(t, name, func() bool { return runs.Load() > ran })
		work.Store(false)
		stuck.Store(false)
		eventually(t, name+": it has ended", func() bool { return version() != "" })
	}
}

// killLock ends whoever holds the lock of a job of this database.
const killLock = `SELECT pg_terminate_backend(pid) FROM pg_locks
	WHERE locktype = 'advisory' AND classid = 2 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())`

func TestJobs_LostLockEndsTheRun(t *testing.T) {
	t.Parallel()
	url := dbtest.Create(t)
	d, own := dbtest.Open(t, url), owner(t, url)
	job := db.Job{Name: "test.long", Every: time.Hour, Run: func(ctx context.Context) error {
		must(t, own, killLock)
		<-ctx.Done()
		return context.Cause(ctx)
	}}
	if err := d.RunJob(t.Context(), job); err == nil || !strings.Contains(err.Error(), "lock of the job is lost") {
		t.Errorf("error %v", err)
	}
	var runs atomic.Int32
	again := db.Job{Name: "test.again", Every: time.Millisecond, Run: func(ctx context.Context) error {
		if runs.Add(1) == 1 {
			must(t, own, killLock)
			<-ctx.Done()
		}
		return ctx.Err()
	}}
	working(t, d, again)
	eventually(t, "the jobs go on over a new connection", func() bool { return runs.Load() > 1 })
}

func TestJobs_KilledWorkerLeavesTheJobToOthers(t *testing.T) {
	t.Parallel()
	url := dbtest.Create(t)
	d := dbtest.Open(t, url)
	p := start(t, "job", nil, "HOMEBASE_DB_TEST_URL="+url)
	p.ready(t)
	if s := state(t, d, "test.killed"); !s.Running {
		t.Errorf("%+v", s)
	}
	p.kill()
	eventually(t, "it is not running", func() bool { return !state(t, d, "test.killed").Running })
	s := state(t, d, "test.killed")
	if s.LastError == "" || s.Failures != 1 || time.Until(s.NextRunAt) > 2*time.Minute {
		t.Errorf("%+v", s)
	}
	if err := d.RunJob(t.Context(), db.Job{Name: "test.killed", Every: time.Hour, Run: func(context.Context) error { return nil }}); err != nil {
		t.Error(err)
	}
}
