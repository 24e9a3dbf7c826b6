package cli

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Group is a group of commands that the help lists together.
type Group struct {
	Name     string
	Commands []Command
}

// Commands is the table of all commands. The help, the suggestions for a
// mistyped name and the shells' completion come from it.
type Commands []Group

// WithHelp adds the commands that describe the table to its first group.
func (t Commands) WithHelp() Commands {
	t = slices.Clone(t)
	own := []Command{
		{Name: "completion", Args: "bash|zsh", Summary: "print the script that completes commands in a shell", Needs: NeedNothing,
			Run: func(_ context.Context, sh *Shell, args []string) error { return t.completion(sh, args) }},
		{Name: "help", Args: "[COMMAND]", Summary: "list the commands, or describe one", Needs: NeedNothing,
			Run: func(ctx context.Context, sh *Shell, args []string) error { return t.help(ctx, sh, args) }},
	}
	t[0].Commands = slices.Concat(t[0].Commands, own)
	return t
}

// Find is the command that args begin with, and the arguments after its name.
// Without arguments, or with -h, it is help. The error is ErrUsage and suggests
// similar names.
func (t Commands) Find(args []string) (cmd Command, rest []string, err error) {
	asks := func(arg string) bool { return slices.Contains([]string{"-h", "-help", "--help"}, arg) }
	if len(args) == 0 || asks(args[0]) {
		args = []string{"help"}
	}
	cmd, rest, ok := t.find(args)
	if !ok {
		return Command{}, nil, t.unknown(args)
	}
	if slices.ContainsFunc(rest, asks) {
		rest = strings.Fields(cmd.Name)
		cmd, _, _ = t.find([]string{"help"})
	}
	return cmd, rest, nil
}

func (t Commands) find(args []string) (cmd Command, rest []string, ok bool) {
	for _, c := range t.all() {
		words := strings.Fields(c.Name)
		if len(args) >= len(words) && slices.Equal(args[:len(words)], words) {
			return c, args[len(words):], true
		}
	}
	return Command{}, nil, false
}

func (t Commands) all() (all []Command) {
	for _, g := range t {
		all = append(all, g.Commands...)
	}
	return all
}

// helpColumn is the width of the column of names.
const helpColumn = 16

// help lists all commands by group, or describes one, or lists those that begin
// with a word.
func (t Commands) help(ctx context.Context, sh *Shell, args []string) error {
	var words [2]string
	if err := sh.Flags("help").ParseOptional(args, &words[0], &words[1]); err != nil {
		return err
	}
	if len(args) == 0 {
		fmt.Fprint(sh.Stdout, "Homebase: one backend for all your frontends.\n\nusage: homebase COMMAND; homebase help COMMAND describes one\n")
	} else if cmd, rest, ok := t.find(args); ok && len(rest) == 0 {
		fmt.Fprintf(sh.Stdout, "usage: %s\n\n  %s\n\n", strings.TrimSpace("homebase "+cmd.Name+" "+cmd.Args), cmd.Summary)
		// Every command parses its arguments first, and -h prints its options.
		if err := cmd.Run(ctx, sh, []string{"-h"}); !errors.Is(err, flag.ErrHelp) {
			return err
		}
		return nil
	}
	listed := false
	for _, g := range t {
		title := g.Name
		for _, c := range g.Commands {
			if len(args) > 0 && !strings.HasPrefix(c.Name, strings.Join(args, " ")+" ") {
				continue
			}
			if title != "" {
				fmt.Fprintf(sh.Stdout, "\n%s\n", title)
			}
			title, listed = "", true
			fmt.Fprintf(sh.Stdout, "  %-*s  %s\n", helpColumn, c.Name, c.Summary)
		}
	}
	if !listed {
		return t.unknown(args)
	}
	return nil
}

// unknown says that there is no such command and suggests similar ones: those with
// the same first word, and those that differ in a few letters.
func (t Commands) unknown(args []string) error {
	far := func(name string) int {
		return distance(name, strings.Join(args[:min(len(args), 1+strings.Count(name, " "))], " "))
	}
	var near []string
	for _, c := range t.all() {
		first, _, two := strings.Cut(c.Name, " ")
		if far(c.Name) <= 1+len(c.Name)/4 || two && distance(first, args[0]) <= 1 {
			near = append(near, c.Name)
		}
	}
	slices.SortStableFunc(near, func(a, b string) int { return cmp.Compare(far(a), far(b)) })
	text := fmt.Sprintf("there is no command %q", strings.Join(args[:min(len(args), 2)], " "))
	if len(near) > 0 {
		text += "; did you mean " + strings.Join(near[:min(len(near), 3)], ", ")
	}
	return fmt.Errorf("%w: %s; see homebase help", ErrUsage, text)
}

// distance is how many letters must be inserted, deleted or changed to turn a into
// b (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := before
			if a[i] != b[j] {
				changed++
			}
			before = row[j+1]
			row[j+1] = min(changed, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

var optionInArgs = regexp.MustCompile(`(?:^|[\s[])(--?[a-z][a-z-]*)`)

// completions are what may follow the words typed so far: a first word, a second
// word, and then options.
func (t Commands) completions() (lines []string) {
	next := map[string][]string{}
	for _, c := range t.all() {
		words := strings.Fields(c.Name)
		for i, word := range words {
			before := strings.Join(words[:i], " ")
			if !slices.Contains(next[before], word) {
				next[before] = append(next[before], word)
			}
		}
		for _, option := range optionInArgs.FindAllStringSubmatch(c.Args, -1) {
			next[c.Name+"*"] = append(next[c.Name+"*"], option[1])
		}
	}
	next["help"], next["completion"] = next[""], []string{"bash", "zsh"}
	for before, words := range next {
		pattern := strings.ReplaceAll(before, " ", `\ `)
		if before == "" {
			pattern = "''"
		}
		slices.Sort(words)
		lines = append(lines, fmt.Sprintf("\t%s) words='%s' ;;\n", pattern, strings.Join(words, " ")))
	}
	slices.Sort(lines)
	return lines
}

const bashCompletion = `# Completion of homebase for bash: source <(homebase completion bash)
_homebase() {
	local words='' before="${COMP_WORDS[*]:1:COMP_CWORD-1}"
	case $before in
%s	esac
	COMPREPLY=($(compgen -W "$words" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o bashdefault -o default -F _homebase homebase
`

const zshCompletion = `#compdef homebase
# Completion of homebase for zsh: source <(homebase completion zsh)
_homebase() {
	local given=("${words[@]:1:$((CURRENT-2))}")
	local before="${(j: :)given}" words=''
	case $before in
%s	esac
	if [[ -n $words ]]; then compadd -- ${=words}; else _files; fi
}
compdef _homebase homebase
`

// completion prints a shell's script.
func (t Commands) completion(sh *Shell, args []string) error {
	var name string
	flags := sh.Flags("completion")
	if err := flags.Parse(args, &name); err != nil {
		return err
	}
	script, ok := map[string]string{"bash": bashCompletion, "zsh": zshCompletion}[name]
	if !ok {
		return fmt.Errorf("%w: %q is neither bash nor zsh", ErrUsage, name)
	}
	_, err := fmt.Fprintf(sh.Stdout, script, strings.Join(t.completions(), ""))
	return err
}
