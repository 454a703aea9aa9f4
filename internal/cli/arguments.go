package cli

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// group makes cmd a command that only has others. Alone it prints its help if it is at the top, else it is incomplete.
func group(cmd *cobra.Command, all ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(all...)
	var names []string
	for _, sub := range all {
		names = append(names, sub.Name())
	}
	list := strings.Join(names, ", ")
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) > 0:
			return usagef(cmd, "there is no %q; write one of %s", args[0], list)
		case cmd.Parent().HasParent():
			return usagef(cmd, "a command is missing; write one of %s", list)
		default:
			return nil
		}
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
	return cmd
}

// commandWords are those of a command line up to a command, without the program's name: "event spot".
func commandWords(cmd *cobra.Command) string {
	_, rest, _ := strings.Cut(cmd.CommandPath(), " ")
	return rest
}

// takes returns a check that a command gets from least to most arguments, none of them empty. example are right ones.
func takes(least, most int, example string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		problem := ""
		switch {
		case len(args) < least:
			problem = "an argument is missing"
		case len(args) > most:
			problem = fmt.Sprintf("the argument %q is too many", args[most])
		case slices.Contains(args, ""):
			problem = "an argument is empty"
		default:
			return nil
		}
		return usagef(cmd, "%s; write for example: mock-ec2-metadata %s", problem, strings.TrimSpace(commandWords(cmd)+" "+example))
	}
}

// anyNumber of arguments, for takes.
const anyNumber = 1 << 20

// takesWord returns a check that a command gets one argument, which is one of some words. what says what they are.
func takesWord(what string, all ...string) cobra.PositionalArgs {
	one := takes(1, 1, all[0])
	return func(cmd *cobra.Command, args []string) error {
		if err := one(cmd, args); err != nil {
			return err
		}
		if !slices.Contains(all, args[0]) {
			return usagef(cmd, "%q is not %s; write one of %s", args[0], what, strings.Join(all, ", "))
		}
		return nil
	}
}

// idPattern is what ids of events and faults look like.
var idPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// checkID refuses what cannot be an id. It is part of a path of the control API, so it matters here.
func checkID(id string) error {
	if !idPattern.MatchString(id) || id == "." || id == ".." {
		return errors.New("write 1 to 64 letters, digits, dots, hyphens and underscores")
	}
	return nil
}

// takesID returns a check that a command gets an id, and at most more further arguments.
func takesID(more int, example string) cobra.PositionalArgs {
	count := takes(1, 1+more, example)
	return func(cmd *cobra.Command, args []string) error {
		if err := count(cmd, args); err != nil {
			return err
		}
		if err := checkID(args[0]); err != nil {
			return usagef(cmd, "%q is not an id; %w", args[0], err)
		}
		return nil
	}
}

// pairs splits arguments of the form KEY=VALUE at their first "=". A key comes once.
func pairs(cmd *cobra.Command, args []string, form string) (body, error) {
	all := body{}
	for _, arg := range args {
		key, value, ok := strings.Cut(arg, "=")
		if !ok || key == "" {
			return nil, usagef(cmd, "%q is not of the form %s", arg, form)
		}
		if _, twice := all[key]; twice {
			return nil, usagef(cmd, "%q is there twice; leave one out", key)
		}
		all[key] = value
	}
	return all, nil
}

// usagef makes a wrong command line of a command.
func usagef(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{fmt.Errorf(commandWords(cmd)+": "+format, args...)}
}
