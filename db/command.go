package db

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
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

// Flags are a command's options. Unlike the standard library's, they may come
// before, between and after the arguments.
type Flags struct {
	*flag.FlagSet
	help io.Writer
}

// Flags makes the options of the named command.
func (sh *Shell) Flags(name string) Flags {
	set := flag.NewFlagSet("homebase "+name, flag.ContinueOnError)
	set.SetOutput(io.Discard)
	return Flags{set, sh.Stdout}
}

// Span makes an option that is a time span, as ParseSpan reads it.
func (f Flags) Span(name string, span time.Duration, usage string) *time.Duration {
	f.Func(name, usage, func(v string) (err error) {
		span, err = ParseSpan(v)
		return err
	})
	return &span
}

// ParseSpan reads whole days as "30d", or a Go duration that is not negative.
func ParseSpan(v string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(v, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil && n <= 36500 {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	} else if d, err := time.ParseDuration(v); err == nil && d >= 0 {
		return d, nil
	}
	return 0, fmt.Errorf("%q is not a time span such as 30d, 24h or 90m", v)
}

var units = []struct {
	suffix string
	size   int64
}{
	{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40},
	{"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}, {"B", 1}, {"", 1},
}

// ParseSize reads "10GiB", "500MB" or plain bytes.
func ParseSize(v string) (int64, error) {
	for _, u := range units {
		digits, ok := strings.CutSuffix(v, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 63)
		if err != nil || int64(n) > (1<<63-1)/u.size {
			break
		}
		return int64(n) * u.size, nil
	}
	return 0, fmt.Errorf("%q is not a size such as 10GiB, 500MB or a number of bytes", v)
}

// Parse reads args and stores what is not an option in arguments, in order; none
// may be missing or left over. After -h, which prints the options, the error is
// flag.ErrHelp, otherwise it is ErrUsage.
func (f Flags) Parse(args []string, arguments ...*string) error {
	for {
		if err := f.FlagSet.Parse(args); errors.Is(err, flag.ErrHelp) {
			f.describe()
			return err
		} else if err != nil {
			return fmt.Errorf("%w: %w; see %s -h", ErrUsage, err, f.Name())
		}
		args = f.Args()
		switch {
		case len(args) == 0 && len(arguments) == 0:
			return nil
		case len(args) == 0:
			return fmt.Errorf("%w; see %s -h", errMissing, f.Name())
		case len(arguments) == 0:
			return fmt.Errorf("%w: %q is one argument too many; see %s -h", ErrUsage, args[0], f.Name())
		}
		*arguments[0], arguments, args = args[0], arguments[1:], args[1:]
	}
}

// describe lists the options.
func (f Flags) describe() {
	w := tabwriter.NewWriter(f.help, 0, 0, 2, ' ', 0)
	f.VisitAll(func(option *flag.Flag) {
		value, usage := flag.UnquoteUsage(option)
		name := "--" + option.Name
		if len(option.Name) == 1 {
			name = name[1:]
		}
		if v := option.DefValue; v != "" && v != "false" && v != "0" {
			usage += " (" + v + " unless given)"
		}
		fmt.Fprintf(w, "  %s\t%s\n", strings.TrimSpace(name+" "+value), usage)
	})
	w.Flush()
}

// ParseOptional is like Parse, but arguments may be left out.
func (f Flags) ParseOptional(args []string, arguments ...*string) error {
	err := f.Parse(args, arguments...)
	if errors.Is(err, errMissing) {
		return nil
	}
	return err
}

// Count is a number with its noun: "1 entry", "2 entries".
func Count[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
