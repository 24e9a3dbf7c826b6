// Homebase is one platform backend for all the web frontends of a person or a
// small team: sign-in, files, portfolio content, and a room for every
// application still to come, behind /api/v1.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"homebase/cli"
	"homebase/platform"
)

//go:embed schema.sql
var schema string

// version is set by the build: -ldflags "-X main.version=…".
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	sh := &cli.Shell{Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr}
	err := platform.Run(ctx, sh, platform.Build{Version: version, Schema: schema}, os.Environ(), os.Args[1:])
	stop()
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return
	}
	if !errors.Is(err, cli.ErrSaid) {
		fmt.Fprintln(os.Stderr, "homebase: "+err.Error())
	}
	if errors.Is(err, cli.ErrUsage) {
		os.Exit(2)
	}
	os.Exit(1)
}
