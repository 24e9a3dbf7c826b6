package contract_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"homebase/cli"
	"homebase/db"
	"homebase/db/dbtest"
	"homebase/platform"
)

func offline(t *testing.T, environ []string, args ...string) (stdout string, err error) {
	t.Helper()
	var out bytes.Buffer
	err = platform.Run(context.Background(), &cli.Shell{Stdin: strings.NewReader(""), Stdout: &out, Stderr: io.Discard}, build(t), environ, args)
	return out.String(), err
}

func TestCommands_HelpAndVersionWorkWhateverTheEnvironmentHolds(t *testing.T) {
	t.Parallel()
	broken := []string{"HOMEBASE_NONSENSE=1"}
	for _, args := range [][]string{{}, {"help"}, {"-h"}, {"version"}, {"user", "create", "-h"}, {"completion", "bash"}} {
		if out, err := offline(t, broken, args...); err != nil || out == "" {
			t.Errorf("%v: %q, %v", args, out, err)
		}
	}
	if _, err := offline(t, broken, "config"); err == nil || !strings.Contains(err.Error(), "HOMEBASE_NONSENSE is not a setting") {
		t.Errorf("config with a wrong key: %v", err)
	}
	if _, err := offline(t, nil, "routes", "extra"); !errors.Is(err, cli.ErrUsage) {
		t.Errorf("an argument too many: %v", err)
	}
}

func TestCommands_RoutesListEveryRouteAndWhoMayCall(t *testing.T) {
	t.Parallel()
	out, err := offline(t, nil, "routes", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var routes []map[string]string
	if err := json.Unmarshal([]byte(out), &routes); err != nil {
		t.Fatal(err)
	}
	for _, r := range routes {
		if len(r) != 4 || r["method"] == "" || !strings.HasPrefix(r["pattern"], "/api/v1/") || r["access"] == "" || r["access"] == "undeclared" || r["summary"] == "" {
			t.Errorf("route %v", r)
		}
	}
	if table, err := offline(t, nil, "routes"); err != nil || strings.Count(table, "\n") != len(routes) {
		t.Errorf("the table has other lines than the JSON: %v\n%s", err, table)
	}
}

func TestCommands_ThePrivateClusterServesCommandsOneAfterAnother(t *testing.T) {
	t.Parallel()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	state := filepath.Join(dir, "a state folder", strings.Repeat("with-a-long-name-", 8))
	command := func(stdin string, args ...string) string {
		cmd := exec.Command(path, args...)
		cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
		cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOMEBASE_STATE_DIR=" + state}
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("homebase %v: %v: %s", args, err, errorOutput(err))
		}
		return string(out)
	}
	t.Cleanup(func() {
		cluster, err := db.StartCluster(context.Background(), db.ClusterConfig{StateDir: state, Throwaway: true, Log: slog.New(slog.DiscardHandler)})
		if err == nil {
			err = cluster.Close()
		}
		if err != nil {
			t.Error(err)
		}
	})
	command("", "migrate")
	command(password, "user", "create", "me@example.com", "--password-stdin")
	if out := command("", "api", "GET", "/auth/users"); !strings.Contains(out, `"email":"me@example.com"`) {
		t.Errorf("api GET /auth/users prints %q", out)
	}
	if out := command("", "audit", "verify"); !strings.Contains(out, "seals cover") {
		t.Errorf("audit verify prints %q", out)
	}
	if out := command("", "migrate", "--status"); strings.Contains(out, "pending") || !strings.Contains(out, "identity") {
		t.Errorf("migrate --status prints %q", out)
	}
}

func errorOutput(err error) string {
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(e.Stderr)
	}
	return ""
}

// commandTable is every command.
func commandTable(t *testing.T) cli.Commands {
	t.Helper()
	return wired(t).Commands()
}

// TestCommands_HelpDescribesEachOneWithAllItsOptions: what the table says of a
// command's options, which completion offers too, is what the command takes.
func TestCommands_HelpDescribesEachOneWithAllItsOptions(t *testing.T) {
	t.Parallel()
	all, err := offline(t, nil, "help")
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile(`(?m)(?:^  |[\s[])(--?[a-z][a-z-]*)`)
	for _, group := range commandTable(t) {
		for _, c := range group.Commands {
			if !regexp.MustCompile(`(?m)^  ` + c.Name + ` +\S`).MatchString(all) {
				t.Errorf("the help does not list %s", c.Name)
			}
			out, err := offline(t, nil, append([]string{"help"}, strings.Fields(c.Name)...)...)
			usage, options, _ := strings.Cut(out, c.Summary)
			if err != nil || !strings.Contains(usage, "usage: homebase "+c.Name) {
				t.Errorf("help %s: %v: %s", c.Name, err, out)
			}
			said := map[string]bool{}
			for _, option := range named.FindAllStringSubmatch(c.Args, -1) {
				said[option[1]] = true
			}
			for _, option := range regexp.MustCompile(`(?m)^  (--?\S+)`).FindAllStringSubmatch(options, -1) {
				if !said[option[1]] {
					t.Errorf("%s: the table says %q, and there is %s", c.Name, c.Args, option[1])
				}
				delete(said, option[1])
			}
			if len(said) > 0 {
				t.Errorf("%s: there are no options %v", c.Name, said)
			}
		}
	}
}

func TestCommands_AnUnknownOneGetsOneLineWithTheNearest(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"srve":             "; did you mean serve; ",
		"usr create":       "; did you mean user create",
		"user":             "; did you mean user create, user password, user login-link; ",
		"user list":        "; did you mean user create, user password, user login-link; ",
		"file scan":        "; did you mean files scan",
		"completely-wrong": `there is no command "completely-wrong"; see homebase help`,
	} {
		_, err := offline(t, nil, strings.Fields(given)...)
		if !errors.Is(err, cli.ErrUsage) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", given, err)
		}
	}
}

// TestCompletion_BashOffersCommandsThenOptions asks a real shell.
func TestCompletion_BashOffersCommandsThenOptions(t *testing.T) {
	t.Parallel()
	script, err := offline(t, nil, "completion", "bash")
	if err != nil {
		t.Fatal(err)
	}
	for given, want := range map[string]string{
		"":                            "api app audit backup completion config doctor files healthcheck help jobs key migrate openapi restore routes serve user version",
		"a":                           "api app audit",
		"user ":                       "create login-link password",
		"user create a@example.com -": "--first --password-stdin --role",
		"completion ":                 "bash zsh",
		"audit t":                     "tail",
	} {
		words := strings.Split("homebase "+given, " ")
		ask := exec.Command("bash", "-c", script+`
			COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
			_homebase
			echo "${COMPREPLY[*]}"; complete -p homebase >&2`, "bash")
		ask.Args = append(ask.Args, words...)
		out, err := ask.Output()
		if err != nil || strings.TrimSpace(string(out)) != want {
			t.Errorf("%q is completed by %q, %v: %s", given, out, err, errorOutput(err))
		}
	}
}

func TestCommands_SayThatTheSchemaIsMissingOrOlder(t *testing.T) {
	t.Parallel()
	url := dbtest.CreateEmpty(t)
	environ := []string{"HOMEBASE_DATABASE_URL=" + url, "HOMEBASE_STATE_DIR=" + t.TempDir(), "HOMEBASE_DATA_DIR=" + t.TempDir()}
	refused := func(want string) {
		t.Helper()
		for _, args := range [][]string{{"user", "create", "a@example.com", "--first"}, {"audit", "verify"}, {"files", "scan"}, {"api", "GET", "/auth/users"}, {"backup", t.TempDir()}} {
			if _, err := offline(t, environ, args...); err == nil || !strings.Contains(err.Error(), want) || !strings.HasSuffix(err.Error(), "homebase migrate") {
				t.Errorf("%v: %v", args, err)
			}
		}
	}
	refused("the database has no tables yet")
	steps, err := db.ParseSteps(dbtest.Schema(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := dbtest.Open(t, url).Migrate(t.Context(), steps[0].SQL); err != nil {
		t.Fatal(err)
	}
	refused("the database is older than this program")
	if _, err := offline(t, environ, "migrate", "--status"); err != nil {
		t.Errorf("migrate --status: %v", err)
	}
}

// TestAPI_TheOperatorCallsRoutesBesideTheServer: what it does holds in the
// running server at once, and the audit log says who it was.
func TestAPI_TheOperatorCallsRoutesBesideTheServer(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.signIn(t, "me@example.com")
	var users struct{ Items []struct{ ID, Email string } }
	if err := json.Unmarshal([]byte(s.command(t, "", "api", "get", "/auth/users")), &users); err != nil || len(users.Items) != 1 {
		t.Fatalf("%v: %+v", err, users)
	}
	// As an argument, from standard input, and with the prefix.
	if out := s.command(t, "", "api", "-i", "POST", "auth/users", `{"email":"ada@example.com","password":"`+password+`"}`); !strings.HasPrefix(out, "HTTP/1.1 201 Created\n") || !strings.Contains(out, "\nLocation: /api/v1/auth/users/") {
		t.Errorf("-i prints %s", out)
	}
	s.command(t, `{"description":"","enabled":true,"public":true,"rules":[]}`, "api", "PUT", "/api/v1/system/flags/beta", "-")
	if flags := c.Do("GET", "/system/flags", nil).Want(t, 200); !bytes.Contains(flags.Body, []byte(`"beta"`)) {
		t.Errorf("the flags are %s", flags.Body)
	}
	s.command(t, "", "api", "DELETE", "/auth/users/"+users.Items[0].ID+"/sessions")
	for c.Do("GET", "/auth/me", nil).Status != 401 { // the server is told by a notification
		time.Sleep(5 * time.Millisecond)
	}
	path, _ := binary()
	refused := exec.Command(path, "api", "GET", "/nothing")
	refused.Env = s.env
	if out, err := refused.Output(); refused.ProcessState.ExitCode() != 1 || len(out) > 0 || !strings.HasPrefix(errorOutput(err), "{") || strings.Count(errorOutput(err), "\n") != 1 {
		t.Errorf("a problem ends with %v: %q, %q", refused.ProcessState, out, errorOutput(err))
	}
	log := s.command(t, "", "api", "GET", "/audit/events?action=auth.session_revoked")
	if !strings.Contains(log, `"actor":"operator"`) || !strings.Contains(log, `"actor_user_id":null`) {
		t.Errorf("the audit log has %s", log)
	}
}

func TestAPI_AProblemGoesToStandardErrorAlone(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	environ := []string{"HOMEBASE_DATABASE_URL=" + dbtest.Create(t), "HOMEBASE_STATE_DIR=" + dir + "/state", "HOMEBASE_DATA_DIR=" + dir + "/data"}
	for _, row := range []struct{ code, method, path, body string }{
		{"not_found", "GET", "/nothing", ""},
		{"unauthenticated", "GET", "/files/usage", ""},
		{"unauthenticated", "GET", "/auth/sessions", ""},
		{"invalid_json", "POST", "/auth/roles", `{"name":`},
	} {
		var out, problem bytes.Buffer
		err := platform.Run(t.Context(), &cli.Shell{Stdout: &out, Stderr: &problem}, build(t), environ, []string{"api", row.method, row.path, row.body})
		var p struct{ Code string }
		if !errors.Is(err, cli.ErrSaid) || json.Unmarshal(problem.Bytes(), &p) != nil || p.Code != row.code || out.Len() > 0 {
			t.Errorf("%s %s: %v, output %q, errors %q", row.method, row.path, err, &out, &problem)
		}
	}
}
