package sdkenv

import (
	"fmt"
	"slices"
	"strings"
)

// Shell writes the commands that change the environment of one kind of shell. What it writes shows the values, which may be secrets.
type Shell struct {
	name  string
	set   func(name, value string) string
	unset func(names []string) string
}

// shells are all kinds. sh, bash and zsh are posix.
func shells() []Shell {
	return []Shell{
		{
			name:  "posix",
			set:   func(name, value string) string { return "export " + name + "=" + QuotePOSIX(value) },
			unset: func(names []string) string { return "unset " + strings.Join(names, " ") },
		},
		{
			name:  "fish",
			set:   func(name, value string) string { return "set -gx " + name + " " + quoteFish(value) },
			unset: func(names []string) string { return "set -e " + strings.Join(names, " ") },
		},
		{
			name: "powershell",
			set: func(name, value string) string {
				return "$Env:" + name + " = '" + strings.ReplaceAll(value, "'", "''") + "'"
			},
			unset: func(names []string) string {
				return "Remove-Item -ErrorAction SilentlyContinue Env:" + strings.Join(names, ", Env:")
			},
		},
		{
			name:  "cmd",
			set:   func(name, value string) string { return `set "` + name + "=" + value + `"` },
			unset: func(names []string) string { return "set " + strings.Join(names, "=\nset ") + "=" },
		},
	}
}

// ShellNamed returns the shell of a name: posix, fish, powershell or cmd.
func ShellNamed(name string) (Shell, error) {
	all := shells()
	i := slices.IndexFunc(all, func(s Shell) bool { return s.name == name })
	if i < 0 {
		return Shell{}, fmt.Errorf("%q is not one of posix, fish, powershell, cmd", name)
	}
	return all[i], nil
}

// Lines are the commands that make the changes, each with the end of its line.
func (s Shell) Lines(c Changes) string {
	lines := []string{s.unset(c.Unset)}
	for _, v := range c.Set {
		lines = append(lines, s.set(v.Name, v.Value))
	}
	return strings.Join(lines, "\n") + "\n"
}

// QuotePOSIX makes one word of a text, whatever is in it.
func QuotePOSIX(text string) string {
	if isPlain(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

func quoteFish(text string) string {
	if isPlain(text) {
		return text
	}
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}

// isPlain says that a text means itself in every shell.
func isPlain(text string) bool {
	const special = "\t\n !\"#$%&'()*;<=>?[\\]^`{|}~"
	return text != "" && !strings.ContainsAny(text, special)
}
