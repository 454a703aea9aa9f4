package docker

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

const (
	// maxRole is the length of the longest role that is looked at, in bytes: that of the longest ARN that IAM takes.
	maxRole = 2048
	// maxQuoted is how much of a text with control characters, or of one that is too long, is kept for messages.
	maxQuoted = 100
)

// roleSource is one place where a container can name its role.
type roleSource struct {
	env  bool
	name string
}

func (s roleSource) String() string {
	if s.env {
		return "variable " + s.name
	}
	return "label " + s.name
}

// parseRoleSources reads entries "label:NAME" and "env:NAME".
func parseRoleSources(list []string) ([]roleSource, error) {
	var all []roleSource
	for _, entry := range list {
		kind, name, _ := strings.Cut(entry, ":")
		if name == "" || kind != "label" && kind != "env" {
			return nil, fmt.Errorf("role: %q names neither a label nor a variable; write label:NAME or env:NAME", entry)
		}
		all = append(all, roleSource{env: kind == "env", name: name})
	}
	return all, nil
}

// chooseRole returns the role that a container's labels or variables name, and where; "" if none does.
func chooseRole(sources []roleSource, labels map[string]string, env []string) (role, source string) {
	for _, s := range sources {
		value := labels[s.name]
		if s.env {
			value = variable(env, s.name)
		}
		if value != "" {
			return printable(value, maxRole), s.String()
		}
	}
	return "", ""
}

// variable is the last value of a variable in a list of NAME=value.
func variable(env []string, name string) string {
	value := ""
	for _, entry := range env {
		if n, v, ok := strings.Cut(entry, "="); ok && n == name {
			value = v
		}
	}
	return value
}

// printable quotes a text that is longer than limit bytes or has control characters, and shortens it. Labels and names come
// from others. A quoted role is a role still, one that cannot be allowed: it is no name of a role and no ARN.
func printable(s string, limit int) string {
	if len(s) <= limit && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return s
	}
	if len(s) > maxQuoted {
		s = s[:maxQuoted] + "…"
	}
	return strconv.Quote(s)
}
