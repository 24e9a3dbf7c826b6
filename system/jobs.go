package system

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"homebase/auth"
	"homebase/db"
	"homebase/httpx"
)

// JobStatus is a job as its operators see it.
type JobStatus db.JobState

// jobRoutes show the jobs of the platform and of the apps.
func (s *System) jobRoutes() []httpx.Route {
	return []httpx.Route{{
		Pattern: "GET /system/jobs", Access: httpx.Needs(auth.SystemRead), Rate: httpx.RateRead,
		Summary: "Every job: its last run, its next, and its failures",
		Do: httpx.Answers(func(c *httpx.Call) (httpx.List[JobStatus], error) {
			states, err := s.DB.JobStates(c.Context())
			list := httpx.List[JobStatus]{Items: make([]JobStatus, len(states))}
			for i, state := range states {
				list.Items[i] = JobStatus(state)
			}
			return list, err
		}),
	}}
}

// jobCommands list the jobs and run one.
func (s *System) jobCommands(jobs []db.Job) []db.Command {
	return []db.Command{
		{Name: "jobs list", Args: "[--json]", Summary: "list the jobs: last run, next run, failures",
			Run: func(ctx context.Context, sh *db.Shell, args []string) error { return listJobs(ctx, s.DB, sh, args) }},
		{Name: "jobs run", Args: "NAME", Summary: "run a job now, unless a worker is running it",
			Run: func(ctx context.Context, sh *db.Shell, args []string) error { return runJob(ctx, s.DB, jobs, sh, args) }},
	}
}

func listJobs(ctx context.Context, d *db.DB, sh *db.Shell, args []string) error {
	asJSON, err := jsonFlag(sh, "jobs list", args)
	if err != nil {
		return err
	}
	list, err := d.JobStates(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(sh.Stdout).Encode(list)
	}
	const form = "2006-01-02 15:04:05Z"
	w := tabwriter.NewWriter(sh.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprint(w, "NAME\tLAST RUN\tNEXT RUN\tFAILURES\tLAST ERROR\n")
	for _, j := range list {
		last, next := "never", j.NextRunAt.Format(form)
		if j.LastRunAt != nil {
			last = j.LastRunAt.Format(form)
		}
		if j.Running {
			next = "running"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\n", j.Name, last, next, j.Failures, cmp.Or(j.LastError, "-"))
	}
	return w.Flush()
}

func runJob(ctx context.Context, d *db.DB, jobs []db.Job, sh *db.Shell, args []string) error {
	var name string
	if err := sh.Flags("jobs run").Parse(args, &name); err != nil {
		return err
	}
	i := slices.IndexFunc(jobs, func(j db.Job) bool { return j.Name == name })
	if i < 0 {
		return fmt.Errorf("there is no job %q; homebase jobs list shows them", name)
	}
	began := time.Now()
	if err := d.RunJob(ctx, jobs[i]); err != nil {
		return err
	}
	fmt.Fprintf(sh.Stdout, "%s took %s.\n", name, time.Since(began).Round(time.Millisecond))
	return nil
}
