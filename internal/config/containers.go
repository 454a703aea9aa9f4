package config

import (
	"slices"
	"strings"
)

// Containers says how roles are given to containers of this machine.
type Containers struct {
	// Engine is the URL of the container engine's API, unix:///path; "" is off.
	Engine string `yaml:"engine" is:"engine"`
	// Role lists where a container names its role: label:NAME or env:NAME. The first that it has counts.
	Role []string `yaml:"role" is:"role source" scalar:"true"`
	// Allow lists what containers may name: names of roles, and ARN patterns as in IAM policies.
	Allow []string `yaml:"allow" is:"printable" scalar:"true"`
}

// engineURL is the rule for containers.engine.
func engineURL(value string) string {
	if path, ok := strings.CutPrefix(value, "unix://"); ok && strings.HasPrefix(path, "/") && printable(path) == "" {
		return ""
	}
	return quote(value) + " is not a Unix socket; write unix:///var/run/docker.sock"
}

// roleSource is the rule for containers.role.
func roleSource(value string) string {
	kind, name, ok := strings.Cut(value, ":")
	if ok && (kind == "label" || kind == "env") && name != "" && word(name) == "" {
		return ""
	}
	return quote(value) + " is neither a label nor a variable of a container; write e.g. label:mock-ec2-metadata.role or env:IAM_ROLE"
}

// validateContainers checks what containers may name.
func (l *loader) validateContainers() {
	c := l.config.Containers
	for i, allowed := range c.Allow {
		key := element("containers.allow", i)
		switch {
		case strings.HasPrefix(allowed, "arn:"):
			if strings.Count(allowed, ":") < 5 && !strings.Contains(allowed, "*") {
				l.wrongElement("containers.allow", i, "%s is not the ARN of a role, with * and ? for what may differ; write e.g. arn:aws:iam::123456789012:role/dev-*", quote(allowed))
			}
		case allowed == "*":
			l.wrongElement("containers.allow", i, "* is neither a role nor an ARN; write arn:* for every role of every account, and list the names of roles")
		default:
			l.checkRole(key, allowed)
		}
	}
	if c.Engine == "" && len(c.Allow) > 0 {
		l.odd("containers.allow", "without effect: containers.engine is not set")
	}
	if c.Engine != "" && len(c.Role) > 0 && len(c.Allow) == 0 {
		l.odd("containers.engine", "containers.allow is empty, so that no container can name a role")
	}
}

// AllowsRole reports whether a container may name a role: a name of roles, or an ARN.
func (c *Containers) AllowsRole(name string) bool {
	if !strings.HasPrefix(name, "arn:") {
		return slices.Contains(c.Allow, name)
	}
	if check("role", name) != "" {
		return false // a pattern must not let pass what no role can be called
	}
	return slices.ContainsFunc(c.Allow, func(pattern string) bool {
		return strings.HasPrefix(pattern, "arn:") && MatchPattern(pattern, name)
	})
}
