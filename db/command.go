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
	// ErrUsage says that a command was called wrongly; the program ends with 2.
	ErrUsage = errors.New("wrong usage")
	// ErrSaid says that a command failed and has printed why: the program adds
	// nothing and ends with 1.
	ErrSaid = errors.New("the command has said what is wrong")

	errMissing = fmt.Errorf("%w: an argument is missing", ErrUsage)
)

// Need is what a command needs. Each includes those after it.
type Need int

const (
	NeedSchema   Need = iota // the database with this version's schema
	NeedDatabase             // the database, with any schema or none
	NeedSecret               // the secret; it calls Shell.Connect if its arguments need the database
	NeedSettings             // a valid configuration
	NeedNothing              // it runs whatever the environment holds
)

// Command is one subcommand of the program, given by a room as data like its
// routes and jobs.
type Command struct {
	// Name is one or two words: "serve", "user create".
	Name string
	// Args describes the arguments and names every option in the usage line:
	// "EMAIL [--role ROLE]".
	Args string
	// Summary is one line for the help.
	Summary string
	// Needs is what must be there before Run is called.
	Needs Need
	// Serves says that others act through it; what every other command does
	// is the operator's deed.
	Serves bool
	// Run gets what follows the name, and parses it before it does anything
	// else. Its error is printed as one line and makes the exit code not zero.
	Run func(ctx context.Context, sh *Shell, args []string) error
}

// Shell is where a command reads and writes.
type Shell struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
	// Connect opens the database. A command calls it that needs the secret
	// alone until it knows its arguments.
	Connect func(ctx context.Context, need Need) error
}

// Flags are a command's options. Unlike the standard library's they may
// stand before, between and behind the arguments.
type Flags struct {
	*flag.FlagSet
	help io.Writer
}

// Flags makes the options of the command name.
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

// Parse reads args and stores what is no option in arguments, in order; none
// may be missing or left over. The error is flag.ErrHelp after -h, which prints
// the options, else ErrUsage.
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

// ParseOptional is Parse for arguments that may be left out.
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
