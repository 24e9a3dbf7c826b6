package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

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
