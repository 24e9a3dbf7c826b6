package system_test

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"homebase/cli"
	"homebase/db"
	"homebase/httpx"
	"homebase/system"
)

// TestJobs_AreSeenAndRun runs one job that goes well and one that does not.
func TestJobs_AreSeenAndRun(t *testing.T) {
	t.Parallel()
	rm := start(t)
	jobs := []db.Job{
		{Name: "trial.works", Every: time.Hour, Run: func(context.Context) error { return nil }},
		{Name: "trial.fails", Every: time.Hour, Run: func(context.Context) error { return errors.New("out of paper") }},
	}
	run := func(name string, args ...string) (string, error) {
		var out bytes.Buffer
		for _, c := range rm.sys.Commands(nil, jobs) {
			if c.Name == name {
				err := c.Run(t.Context(), &cli.Shell{Stdout: &out, Stderr: &out}, args)
				return out.String(), err
			}
		}
		return "", errors.New("no such command")
	}
	if _, err := run("jobs run", "trial.works"); err != nil {
		t.Error(err)
	}
	if _, err := run("jobs run", "trial.fails"); err == nil {
		t.Error("a job that fails is reported as done")
	}
	if _, err := run("jobs run", "trial.nothing"); err == nil {
		t.Error("a job that is not there was run")
	}
	var list httpx.List[system.JobStatus]
	rm.Operator(t).Do("GET", "/system/jobs", nil).Want(t, 200).JSON(t, &list)
	seen := map[string]system.JobStatus{}
	for _, j := range list.Items {
		seen[j.Name] = j
	}
	if j := seen["trial.works"]; j.LastRunAt == nil || j.LastError != "" || j.Failures != 0 || j.Running {
		t.Errorf("the one that works is %+v", j)
	}
	if j := seen["trial.fails"]; j.LastError != "out of paper" || j.Failures != 1 || j.NextRunAt.IsZero() {
		t.Errorf("the one that fails is %+v", j)
	}
	var m system.Metrics
	rm.Operator(t).Do("GET", "/system/metrics", nil).Want(t, 200).JSON(t, &m)
	figures := map[string]float64{}
	for _, f := range m.Figures {
		figures[f.Name+" "+f.Labels["job_name"]] = f.Value
	}
	if n := figures["homebase_job_failures trial.fails"]; n != 1 {
		t.Errorf("the metrics tell of %v failures", n)
	}
	if at := figures["homebase_job_last_run_timestamp_seconds trial.works"]; at != float64(seen["trial.works"].LastRunAt.Unix()) {
		t.Errorf("the metrics say that it ran at %v", at)
	}
	rm.User(t, "member@example.com", "member")
	rm.SignIn(t, "member@example.com").Do("GET", "/system/jobs", nil).WantProblem(t, 403, "forbidden")
}
