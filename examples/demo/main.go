// Command demo shows what there is: the server on http://localhost:8080, the
// portfolio on :8081, the storage on :8082 and the console on :8083, filled with
// the content of a person who does not exist. All it keeps is below ./demo, and a second run
// goes on with it. It is always localhost, never 127.0.0.1: that is another
// site, whose cookies browsers keep apart.
//
// With -fill it only fills a server that runs, as the administrator whose
// password comes on standard input.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

const (
	api   = "http://localhost:8080/api/v1"
	dir   = "demo"
	admin = "admin@example.com"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	target := flag.String("fill", "", "only fill the server at this address, which ends with /api/v1")
	email := flag.String("email", admin, "the administrator")
	flag.Parse()
	var err error
	if *target != "" {
		var password []byte
		if password, err = io.ReadAll(os.Stdin); err == nil {
			err = fill(ctx, *target, *email, strings.TrimSpace(string(password)))
		}
	} else {
		err = show(ctx)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo: "+err.Error())
		os.Exit(1)
	}
}

// show runs everything until ctx ends.
func show(ctx context.Context) error {
	password, err := keptPassword()
	if err != nil {
		return err
	}
	for _, args := range [][]string{{"migrate"}, {"user", "create", admin, "--role", "admin", "--first", "--password-stdin"}} {
		cmd := homebase(ctx, args...)
		cmd.Stdin = strings.NewReader(password)
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("homebase %s: %w", args[0], err)
		}
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	server := homebase(running, "serve")
	if err := server.Start(); err != nil {
		return err
	}
	over := make(chan error, 1)
	go func() {
		over <- server.Wait()
		stop()
	}()
	err = present(running, password)
	stop()
	switch ended := <-over; {
	case ctx.Err() != nil: // Ctrl-C is how it ends
		return nil
	case errors.Is(ended, context.Canceled):
		return err
	default:
		return ended // it has said why
	}
}

// present fills the server and shows the frontends until ctx ends.
func present(ctx context.Context, password string) error {
	if err := ready(ctx); err != nil {
		return err
	}
	if err := fill(ctx, api, admin, password); err != nil {
		return err
	}
	fmt.Printf("\n  portfolio  http://localhost:8081\n  storage    http://localhost:8082\n  console    http://localhost:8083\n  API        %s\n\n  sign in as %s with %s\n  next: invite somebody or write about a project in the console; Ctrl-C ends it\n\n", api, admin, password)
	taken := make(chan error, 3)
	for address, folder := range map[string]string{"localhost:8081": "portfolio", "localhost:8082": "storage", "localhost:8083": "console"} {
		go func() { taken <- http.ListenAndServe(address, frontend(folder)) }()
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-taken:
		return err
	}
}

func homebase(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "bin/homebase", args...)
	cmd.Env = append(os.Environ(), "HOMEBASE_DATA_DIR="+dir+"/data", "HOMEBASE_STATE_DIR="+dir+"/state", "HOMEBASE_LOG_LEVEL=error",
		"HOMEBASE_ORIGINS=http://localhost:8081,http://localhost:8082,http://localhost:8083", "HOMEBASE_ACCOUNT_URL=http://localhost:8082/account.html", "HOMEBASE_REGISTRATION=invite")
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	return cmd
}

// keptPassword is the administrator's, made by the first run.
func keptPassword() (string, error) {
	file := filepath.Join(dir, "password")
	if text, err := os.ReadFile(file); err == nil {
		return string(text), nil
	}
	password := rand.Text()
	return password, errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(file, []byte(password), 0o600))
}

// ready waits until the server answers.
func ready(ctx context.Context) error {
	for range 150 {
		res, err := http.Get(api + "/system/ready")
		if err == nil && res.Body.Close() == nil && res.StatusCode == http.StatusOK {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
	return errors.New("the server does not become ready")
}

// frontend serves an example as it lies there, with the modules, style sheets and
// pictures that all examples share.
func frontend(folder string) http.Handler {
	files := http.FileServerFS(layered{os.DirFS("examples/" + folder), os.DirFS("examples")})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-cache")
		w.Header().Set("Content-Security-Policy", "frame-ancestors 'none'") // which a page cannot say by itself
		files.ServeHTTP(w, r)
	})
}

type layered struct{ own, shared fs.FS }

// Open opens the frontend's own file, else a shared one: one that lies beside the
// folders and belongs to a page.
func (l layered) Open(name string) (fs.File, error) {
	f, err := l.own.Open(name)
	if errors.Is(err, fs.ErrNotExist) && slices.Contains([]string{".js", ".css", ".svg"}, path.Ext(name)) && path.Base(name) == name {
		return l.shared.Open(name)
	}
	return f, err
}
