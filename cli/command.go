// Package cli is what the program's commands are made of: the table that the
// help, the suggestions and the shells' completion come from, options and
// arguments, quantities as people write them, and a line of progress.
//
// What it promises:
//   - A command declares what it needs, and runs only when that is in place.
//   - Options may stand before, between and after the arguments. What is wrong
//     with them is ErrUsage, one line, before the command has done anything.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
)

var (
	// ErrUsage says that a command was called wrongly; the exit code is 2.
	ErrUsage = errors.New("wrong usage")
	// ErrSaid says that a command failed and has printed why: the program prints
	// nothing more, and the exit code is 1.
	ErrSaid = errors.New("the command has printed what is wrong")

	errMissing = fmt.Errorf("%w: an argument is missing", ErrUsage)
)

// Need is what a command needs. Each value includes those after it.
type Need int

const (
	NeedSchema   Need = iota // the database with this version's schema
	NeedDatabase             // the database, with any schema or none
	NeedSecret               // the secret; the command calls Shell.Connect if its arguments need the database
	NeedSettings             // a valid configuration
	NeedNothing              // nothing: it runs whatever the environment holds
)

// Command is a subcommand of the program. Rooms declare commands as data, like
// routes and jobs.
type Command struct {
	// Name is one or two words: "serve", "user create".
	Name string
	// Args describes the arguments and names every option in the usage line:
	// "EMAIL [--role ROLE]".
	Args string
	// Summary is one line for the help.
	Summary string
	// Needs is what must be in place before Run is called.
	Needs Need
	// Serves says that others act through the command. What any other command
	// does counts as done by the operator.
	Serves bool
	// Run gets the arguments after the name, and parses them before it does
	// anything else. Its error is printed as one line.
	Run func(ctx context.Context, sh *Shell, args []string) error
}

// Shell is where a command reads and writes.
type Shell struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Connect opens the database, for commands that need only the secret until
	// they know their arguments.
	Connect func(ctx context.Context, need Need) error
}
