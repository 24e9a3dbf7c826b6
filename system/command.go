package system

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"time"

	"homebase/cli"
	"homebase/db"
	"homebase/httpx"
)

// Commands are the operator's verbs of this room; jobs are the jobs of all rooms.
func (s *System) Commands(cfg *Config, jobs []db.Job) []cli.Command {
	return []cli.Command{
		{Name: "jobs run", Args: "NAME", Summary: "run a job now, unless a worker is running it",
			Run: func(ctx context.Context, sh *cli.Shell, args []string) error {
				return runJob(ctx, s.DB, jobs, sh, args)
			}},
		{Name: "config", Args: "[--json]", Summary: "print the effective configuration, secrets withheld", Needs: cli.NeedSettings,
			Run: Prints("config", func(context.Context, *cli.Shell) (any, func(io.Writer)) { return cfg.Values(), cfg.Print })},
		{Name: "doctor", Args: "[--json]", Summary: "find out what is wrong inside and in front of the server, and how to fix it", Needs: cli.NeedSecret,
			Run: func(ctx context.Context, sh *cli.Shell, args []string) error { return s.doctor(ctx, cfg, sh, args) }},
		{Name: "healthcheck", Summary: "exit with 0 if the server here is ready, with 1 if not", Needs: cli.NeedSettings,
			Run: func(ctx context.Context, sh *cli.Shell, args []string) error {
				return healthcheck(ctx, cfg.Listen, sh, args)
			}},
		{Name: "version", Args: "[--json]", Summary: "print the version", Needs: cli.NeedNothing,
			Run: Prints("version", func(context.Context, *cli.Shell) (any, func(io.Writer)) {
				return s.version(), s.version().print
			})},
	}
}

// Prints is the Run of a command that prints what it finds as text, or as JSON if that is
// asked for.
func Prints(name string, find func(ctx context.Context, sh *cli.Shell) (v any, text func(w io.Writer))) func(context.Context, *cli.Shell, []string) error {
	return func(ctx context.Context, sh *cli.Shell, args []string) error {
		flags := sh.Flags(name)
		asJSON := flags.Bool("json", false, "print JSON")
		if err := flags.Parse(args); err != nil {
			return err
		}
		v, text := find(ctx, sh)
		if *asJSON {
			return json.NewEncoder(sh.Stdout).Encode(v)
		}
		text(sh.Stdout)
		return nil
	}
}

func (v Version) print(w io.Writer) {
	fmt.Fprintf(w, "homebase %s (%s %s/%s)\n", v.Version, v.Go, runtime.GOOS, runtime.GOARCH)
}

// healthcheck asks the server that listens on the configured address whether
// it is ready.
func healthcheck(ctx context.Context, listen string, sh *cli.Shell, args []string) error {
	if err := sh.Flags("healthcheck").Parse(args); err != nil {
		return err
	}
	network, address := "tcp", listen
	if path, ok := strings.CutPrefix(listen, "unix:"); ok {
		network, address = "unix", path
	} else if host, port, err := net.SplitHostPort(listen); err == nil && (host == "" || net.ParseIP(host).IsUnspecified()) {
		address = net.JoinHostPort("127.0.0.1", port)
	}
	here := newAsker(ctx, "http://localhost"+httpx.Prefix, &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, address)
		},
	})
	res, _, err := here.ask(5*time.Second, "GET", "/system/ready", nil)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the server answers %s", res.Status)
	}
	return nil
}
