package system

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"strings"
	"time"

	"homebase/db"
)

// Commands are the operator's verbs of this room; jobs are the jobs of all rooms.
func (s *System) Commands(cfg *Config, jobs []db.Job) []db.Command {
	return []db.Command{
		{Name: "jobs run", Args: "NAME", Summary: "run a job now, unless a worker is running it",
			Run: func(ctx context.Context, sh *db.Shell, args []string) error { return runJob(ctx, s.DB, jobs, sh, args) }},
		{Name: "config", Args: "[--json]", Summary: "print the effective configuration, secrets withheld", Needs: db.NeedSettings,
			Run: func(_ context.Context, sh *db.Shell, args []string) error { return printConfig(cfg, sh, args) }},
		{Name: "doctor", Args: "[--json]", Summary: "find out what is wrong inside and in front of the server, and how to fix it", Needs: db.NeedSecret,
			Run: func(ctx context.Context, sh *db.Shell, args []string) error { return s.doctor(ctx, cfg, sh, args) }},
		{Name: "healthcheck", Summary: "exit with 0 if the server here is ready, with 1 if not", Needs: db.NeedSettings,
			Run: func(ctx context.Context, sh *db.Shell, args []string) error {
				return healthcheck(ctx, cfg.Listen, sh, args)
			}},
		{Name: "version", Args: "[--json]", Summary: "print the version", Needs: db.NeedNothing, Run: s.printVersion},
	}
}

func jsonFlag(sh *db.Shell, name string, args []string) (asJSON bool, err error) {
	flags := sh.Flags(name)
	flags.BoolVar(&asJSON, "json", false, "print JSON")
	return asJSON, flags.Parse(args)
}

func printConfig(cfg *Config, sh *db.Shell, args []string) error {
	asJSON, err := jsonFlag(sh, "config", args)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(sh.Stdout).Encode(cfg.Values())
	}
	cfg.Print(sh.Stdout)
	return nil
}

func (s *System) printVersion(_ context.Context, sh *db.Shell, args []string) error {
	asJSON, err := jsonFlag(sh, "version", args)
	if err != nil {
		return err
	}
	if asJSON {
		return json.NewEncoder(sh.Stdout).Encode(Version{Version: s.Version, Go: runtime.Version()})
	}
	_, err = fmt.Fprintf(sh.Stdout, "homebase %s (%s %s/%s)\n", s.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// healthcheck asks the server that listens on the configured address whether
// it is ready.
func healthcheck(ctx context.Context, listen string, sh *db.Shell, args []string) error {
	if err := sh.Flags("healthcheck").Parse(args); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	network, address := "tcp", listen
	if path, ok := strings.CutPrefix(listen, "unix:"); ok {
		network, address = "unix", path
	} else if host, port, err := net.SplitHostPort(listen); err == nil && (host == "" || net.ParseIP(host).IsUnspecified()) {
		address = net.JoinHostPort("127.0.0.1", port)
	}
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		},
	}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost/api/v1/system/ready", nil)
	if err != nil {
		return err
	}
	res, err := client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers %s", res.Status)
	}
	return nil
}
