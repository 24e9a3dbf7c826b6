package system

import (
	"context"
	"fmt"
	"slices"
	"time"

	"homebase/cli"
	"homebase/db"
	"homebase/httpx"
)

// JobStatus is a job as its operators see it.
type JobStatus db.JobState

// listJobs serves GET /system/jobs: the jobs of the platform and of the apps.
func (s *System) listJobs(c *httpx.Call) (httpx.List[JobStatus], error) {
	states, err := s.DB.JobStates(c.Context())
	list := httpx.List[JobStatus]{Items: make([]JobStatus, len(states))}
	for i, state := range states {
		list.Items[i] = JobStatus(state)
	}
	return list, err
}

// jobFigures are those of the jobs that the database knows, of any worker.
func (s *System) jobFigures(ctx context.Context) (figures []httpx.Figure, err error) {
	states, err := s.DB.JobStates(ctx)
	for _, j := range states {
		name := map[string]string{"job_name": j.Name}
		figures = append(figures, httpx.Figure{Name: "homebase_job_failures", Help: "Failed runs of a job in a row.", Labels: name, Value: float64(j.Failures)})
		if j.LastRunAt != nil {
			figures = append(figures, httpx.Figure{Name: "homebase_job_last_run_timestamp_seconds", Help: "When a job ran last.", Labels: name, Value: float64(j.LastRunAt.Unix())})
		}
	}
	return figures, err
}

// runJob is `homebase jobs run`.
func runJob(ctx context.Context, d *db.DB, jobs []db.Job, sh *cli.Shell, args []string) error {
	var name string
	if err := sh.Flags("jobs run").Parse(args, &name); err != nil {
		return err
	}
	i := slices.IndexFunc(jobs, func(j db.Job) bool { return j.Name == name })
	if i < 0 {
		return fmt.Errorf("there is no job %q; homebase api GET /system/jobs lists them", name)
	}
	began := time.Now()
	if err := d.RunJob(ctx, jobs[i]); err != nil {
		return err
	}
	fmt.Fprintf(sh.Stdout, "%s took %s.\n", name, time.Since(began).Round(time.Millisecond))
	return nil
}
